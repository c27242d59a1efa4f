"""How tests get another person's word over HTTP before they do what takes one."""

from tests.api.calling import Api


async def ask(api: Api, role: str, act: str, subject: str | None = None) -> str:
    """Somebody asks; the id of what was asked."""
    body = {"act": act} if subject is None else {"act": act, "subject": subject}
    asked = await api.send(role, "POST", "/v1/second-words", body)
    assert asked.status_code == 201, asked.text
    return str(asked.json()["id"])


async def agree(api: Api, first: str, second: str, act: str, subject: str | None = None) -> str:
    """One asks and another says yes; the id of what was asked."""
    word_id = await ask(api, first, act, subject)
    said = await api.send(second, "POST", f"/v1/second-words/{word_id}/say")
    assert said.status_code == 200, said.text
    return word_id
