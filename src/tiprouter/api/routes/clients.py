"""How are OAuth clients registered, given other keys, and ended?"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tiprouter.api import scopes
from tiprouter.api.access import TABLE, Caller, Desks, visit_of
from tiprouter.api.body import Route
from tiprouter.api.idempotency import Asking, about_nobody, answer_once
from tiprouter.api.paging import answer_page
from tiprouter.api.routes.paths import ClientId
from tiprouter.api.schemas.clients import ClientBody, ClientKeysWanted, ClientList, ClientWanted
from tiprouter.api.schemas.queries import Paging
from tiprouter.api.schemas.words import Nothing
from tiprouter.storage.database import Transaction
from tiprouter.workflow import accessing, clients, credentials
from tiprouter.workflow.once import Answer

router = APIRouter(route_class=Route, tags=["credentials"])


@router.get("/v1/clients", operation_id="listClients", response_model=ClientList)
async def list_clients(request: Request, query: Annotated[Paging, Query()], office: Desks, actor: Caller) -> Response:
    """Clients that were not ended, newest first."""
    found = await office.database.read(lambda tx: clients.listed(tx, query.after, query.limit))
    after = found[-1].id if len(found) == query.limit else None
    await accessing.note(office.database, office.desk, actor, "clients", len(found))
    return answer_page(visit_of(request), query, ClientList(items=tuple(map(ClientBody.of, found))), after)


@router.post("/v1/clients", status_code=201, operation_id="registerClient", response_model=ClientBody)
async def register_client(body: ClientWanted, office: Desks, actor: Caller, asked: Asking) -> Response:
    """Register a system that signs in with a key of its own. Only public keys are sent, and nothing secret is made."""
    new = body.to_new(scopes.checked(TABLE, body.role, body.scopes))

    def story(tx: Transaction) -> Answer:
        client = clients.register(tx, office.desk, actor, new)
        return about_nobody(tx, office), 201, ClientBody.of(client).rendered()

    return await answer_once(office, asked, story)


@router.put("/v1/clients/{client_id}/keys", operation_id="replaceClientKeys", response_model=ClientBody)
async def replace_client_keys(
    client_id: ClientId, body: ClientKeysWanted, office: Desks, actor: Caller, asked: Asking
) -> Response:
    """Give a client these keys and no others. Tokens that another key signed for end at once."""
    keys = tuple(key.jwk() for key in body.keys)

    def story(tx: Transaction) -> Answer:
        client = clients.replace_keys(tx, office.desk, actor, client_id, keys)
        return about_nobody(tx, office), 200, ClientBody.of(client).rendered()

    return await answer_once(office, asked, story)


@router.post(
    "/v1/clients/{client_id}/confirm", status_code=200, operation_id="confirmClient", response_model=ClientBody
)
async def confirm_client(
    client_id: ClientId, office: Desks, actor: Caller, asked: Asking, body: Nothing | None = None
) -> Response:
    """Confirm a client, or its other keys, that another operator gave."""
    del body  # it can say nothing: it is read only to refuse one that tries to

    def story(tx: Transaction) -> Answer:
        client = clients.confirm(tx, office.desk, actor, client_id)
        return about_nobody(tx, office), 200, ClientBody.of(client).rendered()

    return await answer_once(office, asked, story)


@router.delete("/v1/clients/{client_id}", status_code=204, operation_id="endClient")
async def end_client(client_id: ClientId, office: Desks, actor: Caller) -> Response:
    """End a client at once, with every token it has."""
    await office.database.write(lambda tx: credentials.revoke(tx, office.desk, actor, client_id))
    return Response(status_code=204)
