"""How is a page answered, and how does one go on from it? (RFC 8288)

A page is `{"items": [...]}`; when there may be more, `Link` holds the address of the next one with `rel="next"`: the
same route and filters, after the last item's id or index.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from tiprouter.api.access import Visit
from tiprouter.api.schemas.queries import Query
from tiprouter.api.schemas.words import Message


def answer_page(visit: Visit, query: Query, items: Message, after: str | None, way: str = "after") -> Response:
    """A page as a response; `after` is what the next one goes on from, by the filter `way`; None when there is none."""
    headers = {}
    if after is not None:
        again = query.model_dump(mode="json", exclude_none=True) | {way: after}
        headers["Link"] = f'<{visit.template}?{urlencode(_spelt(again), doseq=True)}>; rel="next"'
    return Response(items.rendered(), 200, headers, "application/json")


def _spelt(values: dict[str, object]) -> dict[str, str | list[object]]:
    return {
        name: value if isinstance(value, list) else str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
    }
