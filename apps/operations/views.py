"""Health, as a load balancer and an orchestrator ask for it."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from .health import readiness

NO_STORE = {"Cache-Control": "no-store"}


async def live(request: HttpRequest) -> HttpResponse:
    """200 as long as the event loop turns, also while draining: restart the process only when this fails."""
    return JsonResponse({"status": "live"}, headers=NO_STORE)


async def ready(request: HttpRequest) -> HttpResponse:
    """200 when new visitors may be sent here, 503 with the reasons when not."""
    answer = await readiness()
    return JsonResponse(answer.as_dict(), status=200 if answer.ready else 503, headers=NO_STORE)
