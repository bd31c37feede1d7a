"""The alerts of a watch, and the destinations that they tell."""

from cdktf_cdktf_provider_databricks.alert_v2 import (
    AlertV2,
    AlertV2Evaluation,
    AlertV2EvaluationNotification,
    AlertV2EvaluationNotificationSubscriptions,
    AlertV2EvaluationSource,
    AlertV2EvaluationThreshold,
    AlertV2EvaluationThresholdValue,
    AlertV2RunAs,
    AlertV2Schedule,
)
from cdktf_cdktf_provider_databricks.notification_destination import (
    NotificationDestination,
    NotificationDestinationConfigA,
    NotificationDestinationConfigGenericWebhook,
)
from constructs import Construct

from infra.declared.literal import literal
from infra.declared.monitoring import Monitoring
from infra.declared.watching import Alert, Watch

_RETRIGGER_SECONDS = 24 * 60 * 60


class Alerts(Construct):
    """One alert for each limit, looked at on a schedule; told once a day until it is over."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - named as in every construct
        watch: Watch,
        *,
        environment: str,
        warehouse_id: str,
    ) -> None:
        super().__init__(scope, id)
        self._monitoring = watch.monitoring
        self._warehouse_id = warehouse_id
        told = _subscriptions(self, watch.monitoring, environment)
        self.resources = [self._alert(alert, told) for alert in watch.alerts]

    def _alert(
        self, alert: Alert, told: list[AlertV2EvaluationNotificationSubscriptions]
    ) -> AlertV2:
        monitoring = self._monitoring
        return AlertV2(
            self,
            alert.name,
            display_name=literal(alert.title),
            custom_summary=literal(f"{alert.title}: {{{{QUERY_RESULT_VALUE}}}}"),
            custom_description=literal(alert.advice),
            query_text=literal(alert.query),
            warehouse_id=self._warehouse_id,
            evaluation=AlertV2Evaluation(
                source=AlertV2EvaluationSource(name=alert.column, aggregation="MAX"),
                comparison_operator="GREATER_THAN",
                threshold=AlertV2EvaluationThreshold(
                    value=AlertV2EvaluationThresholdValue(double_value=alert.limit)
                ),
                # Too few requests, or none: nothing is known to be wrong.
                empty_result_state="OK",
                notification=AlertV2EvaluationNotification(
                    notify_on_ok=True, retrigger_seconds=_RETRIGGER_SECONDS, subscriptions=told
                )
                if told
                else None,
            ),
            schedule=AlertV2Schedule(
                quartz_cron_schedule=f"0 0/{monitoring.every_minutes} * * * ?",
                timezone_id="UTC",
                pause_status="PAUSED" if monitoring.paused else "UNPAUSED",
            ),
            run_as=AlertV2RunAs(service_principal_name=monitoring.run_as)
            if monitoring.run_as
            else None,
        )


def _subscriptions(
    scope: Construct, monitoring: Monitoring, environment: str
) -> list[AlertV2EvaluationNotificationSubscriptions]:
    told = []
    for number, destination in enumerate(monitoring.notify, start=1):
        identity = destination.id
        if destination.webhook:
            identity = NotificationDestination(
                scope,
                f"destination-{number}",
                display_name=f"Champion and challenger ({environment}) {number}",
                config=NotificationDestinationConfigA(
                    generic_webhook=NotificationDestinationConfigGenericWebhook(
                        url=destination.webhook
                    )
                ),
            ).id
        told.append(
            AlertV2EvaluationNotificationSubscriptions(
                user_email=destination.user, destination_id=identity
            )
        )
    return told
