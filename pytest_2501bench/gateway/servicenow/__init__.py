"""The ``servicenow`` gateway: tickets are records of a ServiceNow instance, which an engine works from there."""

from pytest_2501bench.gateway.servicenow.gateway import ServiceNowGateway

__all__ = ["ServiceNowGateway"]
