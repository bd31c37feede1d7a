import pytest

from infra.declared.secret import is_reference, looks_secret


@pytest.mark.parametrize("value", ["{{secrets/scope/key}}", "{{secrets/my-scope/API_KEY.v2}}"])
def test_a_reference_names_scope_and_key(value: str) -> None:
    assert is_reference(value)


@pytest.mark.parametrize(
    "value", ["{{secrets/scope}}", "{{ secrets/scope/key }}", "x{{secrets/scope/key}}", ""]
)
def test_anything_more_or_less_is_no_reference(value: str) -> None:
    assert not is_reference(value)


@pytest.mark.parametrize(
    "name", ["DATABRICKS_TOKEN", "token", "DB_PASSWORD", "CLIENT_SECRET", "OPENAI_API_KEY", "PAT"]
)
def test_a_name_of_a_credential_makes_its_plain_value_a_secret(name: str) -> None:
    assert looks_secret(name, "abc")
    assert not looks_secret(name, "{{secrets/scope/key}}")


@pytest.mark.parametrize("name", ["TOKENIZERS_PARALLELISM", "MAX_TOKENS", "PATH", "MONKEY"])
def test_a_name_that_only_contains_such_a_word_does_not(name: str) -> None:
    assert not looks_secret(name, "abc")


@pytest.mark.parametrize(
    "value",
    [f"dapi{'0123456789abcdef' * 2}", "Bearer abc", "-----BEGIN RSA PRIVATE KEY-----"],
)
def test_a_value_in_the_form_of_a_credential_is_a_secret_under_any_name(value: str) -> None:
    assert looks_secret("SETTING", value)
