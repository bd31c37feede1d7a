"""The environment's part of Unity Catalog: catalog, schemas, volume, tables, registered models."""

import functools

from cdktf import ITerraformDependable, TerraformResource, TerraformResourceLifecycle
from cdktf_cdktf_provider_databricks.catalog import Catalog
from cdktf_cdktf_provider_databricks.registered_model import RegisteredModel
from cdktf_cdktf_provider_databricks.schema import Schema
from cdktf_cdktf_provider_databricks.sql_table import SqlTable, SqlTableColumn
from cdktf_cdktf_provider_databricks.volume import Volume as VolumeResource
from constructs import Construct

from infra.declared.environment import Environment
from infra.declared.grants import Securable
from infra.declared.holdings import held
from infra.declared.literal import literal
from infra.declared.models import model_id, models_of
from infra.declared.platform import Held
from infra.declared.tables import SILVER, VOLUMES, Volume, tables
from ml.contract.tables import BRONZE, GOLD, Table


class UnityCatalog:
    """Creates what the environment does not only refer to; `created` has it by its securable.

    Names are written out rather than referenced, so that the JSON reads like the catalog; what must
    come first is said by `depends_on`. Logical ids are the objects' own names.
    """

    def __init__(self, scope: Construct, environment: Environment, *, warehouse_id: str) -> None:
        self._scope = scope
        self._environment = environment
        self._warehouse_id = warehouse_id
        self.created: dict[Securable, TerraformResource] = {}

        self._create_catalog()
        self._create_schemas()
        for volume in VOLUMES:
            self._create_volume(volume, held(environment, volume))
        for table in tables(watched=environment.monitoring is not None):
            self._create_table(table, held(environment, table))
        if environment.platform.models.create:
            for name, comment in models_of(environment).items():
                self._create_model(name, comment)

    def _create_catalog(self) -> None:
        catalog = self._environment.platform.catalog
        if catalog.create:
            self.created[self._catalog] = Catalog(
                self._scope,
                "catalog",
                name=self._environment.catalog,
                comment=f"Champion/challenger model serving, environment {self._environment.name}.",
                storage_root=catalog.storage_root,
                force_destroy=self._force_destroy,
                lifecycle=keep_data(self._environment),
            )

    def _create_schemas(self) -> None:
        schemas = self._environment.platform.schemas
        for name, owned, comment in (
            (BRONZE, schemas.bronze, "What arrived, as it arrived: films and their metadata."),
            (SILVER, schemas.silver, "What was cleaned."),
            (GOLD, schemas.gold, "Payloads, verdicts and the views that compare the arms."),
            (self._environment.models_schema, schemas.models, "Registered models."),
        ):
            if owned.create:
                self.created[self._schema(name)] = Schema(
                    self._scope,
                    name,
                    catalog_name=self._environment.catalog,
                    name=name,
                    comment=literal(comment),
                    force_destroy=self._force_destroy,
                    lifecycle=keep_data(self._environment),
                    depends_on=self._after(self._catalog),
                )

    def _create_volume(self, volume: Volume, held: Held) -> None:
        if held.create:
            name = volume.full_name(self._environment.catalog)
            created = VolumeResource(
                self._scope,
                volume.name,
                catalog_name=self._environment.catalog,
                schema_name=volume.schema,
                name=volume.name,
                volume_type="MANAGED",
                comment=literal(volume.comment),
                lifecycle=keep_data(self._environment),
                depends_on=self._after(self._schema(volume.schema), self._catalog),
            )
            if held.adopt:
                created.import_from(name)
            self.created[Securable(kind="volume", name=name)] = created

    def _create_table(self, table: Table, held: Held) -> None:
        if held.create:
            name = table.full_name(self._environment.catalog)
            created = SqlTable(
                self._scope,
                table.name,
                catalog_name=self._environment.catalog,
                schema_name=table.schema,
                name=table.name,
                table_type="MANAGED",
                data_source_format="DELTA",
                comment=literal(table.comment),
                column=_columns(table),
                # Without a warehouse, the provider starts a cluster for the statement.
                warehouse_id=self._warehouse_id,
                lifecycle=keep_data(self._environment),
                depends_on=self._after(self._schema(table.schema), self._catalog),
            )
            if held.adopt:
                created.import_from(name)
            self.created[Securable(kind="table", name=name)] = created

    def _create_model(self, name: str, comment: str) -> None:
        on = Securable(kind="model", name=self._environment.full_model_name(name))
        self.created[on] = RegisteredModel(
            self._scope,
            model_id(name),
            catalog_name=self._environment.catalog,
            schema_name=self._environment.models_schema,
            name=name,
            comment=literal(comment),
            lifecycle=keep_data(self._environment),
            depends_on=self._after(self._schema(self._environment.models_schema), self._catalog),
        )

    @property
    def _catalog(self) -> Securable:
        return Securable(kind="catalog", name=self._environment.catalog)

    def _schema(self, name: str) -> Securable:
        return Securable(kind="schema", name=f"{self._environment.catalog}.{name}")

    def _after(self, *needed: Securable) -> list[ITerraformDependable] | None:
        """The nearest of what is needed that this stack creates."""
        created = [self.created[it] for it in needed if it in self.created]
        return [*created[:1]] or None

    @property
    def _force_destroy(self) -> bool:
        # What serving and training have put in goes as well: otherwise the destruction of an
        # unprotected environment would stop half-way, at the first schema that is not empty.
        return not self._environment.protected


@functools.cache  # the bindings check every struct's types, which takes longer than all the rest
def _columns(table: Table) -> list[SqlTableColumn]:
    return [
        SqlTableColumn(
            name=column.name,
            type=column.type.lower(),  # as Unity Catalog gives it back
            comment=literal(column.comment),
            nullable=column.nullable,
        )
        for column in table.columns
    ]


def keep_data(environment: Environment) -> TerraformResourceLifecycle | None:
    """Refuses, in a protected environment, every plan that would destroy the resource."""
    return TerraformResourceLifecycle(prevent_destroy=True) if environment.protected else None
