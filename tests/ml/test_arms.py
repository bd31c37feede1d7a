"""``python -m ml.arms`` on the versions that two short trainings registered."""

import shutil


def test_it_shows_each_arm_with_its_figures_and_traffic(trained, run_command):
    done = run_command("-m", "ml.arms", cwd=trained.folder)

    assert done.status == 0, done.err
    champion, challenger = (line for line in done.out.splitlines() if "pneumonia_poc" in line)
    assert "champion" in champion
    assert "challenger" in challenger
    for line in (champion, challenger):
        assert "50 %" in line
        assert line.count("0.") + line.count("1.0000") >= 3
    assert "Not synthesized yet" in done.out


def test_a_version_that_is_not_registered_is_said_with_the_way_out(
    run_main, empty_registry, tmp_path
):
    shutil.copy(empty_registry, tmp_path / "mlflow.db")

    refused = run_main("ml.arms", "--registry", f"sqlite:///{tmp_path}/mlflow.db")

    assert refused.status == 1
    assert "has no version 1" in refused.err
    assert "python -m ml.train_keras" in refused.err
    assert "Traceback" not in refused.err
