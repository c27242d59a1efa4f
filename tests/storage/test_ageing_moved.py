"""A database from before classes had periods: what is over is found in it, and what a record names is not."""

from tiprouter.storage import migrations
from tiprouter.storage.database import open_database

RECORDS = "INSERT INTO records (id, kind, external, revision, epoch, received_at, accepted_at, revised_at, aged_from"
CONSENTS = "INSERT INTO consents (id, person_id, revision, state, sealed, made_at) VALUES"
BEFORE = (
    "INSERT INTO persons (id, external, created_at) VALUES ('per_named', 'a', 1), ('per_gone', 'b', 1)",
    "INSERT INTO persons (id, external, created_at) VALUES ('per_none', 'c', 1), ('per_erased', 'd', 1)",
    f"{RECORDS}) VALUES ('tip_kept', 'tip', 'a', 1, 1, 1, 1, 1, 5)",
    f"{RECORDS}, erased_at) VALUES ('tip_gone', 'tip', 'b', 1, 1, 1, 1, 1, 5, 70)",
    "INSERT INTO appearances (record_id, person_id) VALUES ('tip_kept', 'per_named'), ('tip_gone', 'per_gone')",
    f"{CONSENTS} ('cns_named', 'per_named', 1, 'standing', '', 9), ('cns_gone', 'per_gone', 1, NULL, '', 8)",
    f"{CONSENTS} ('cns_none', 'per_none', 1, 'standing', '', 7), ('cns_erased', 'per_erased', 1, 'erased', '', 6)",
)


async def test_what_was_there_before_ages_from_what_is_known_of_it(database_url: str) -> None:
    """Consents of nobody's record from their last word, accountings from the erasure; there and back again."""
    await migrations.migrate(database_url, "0025")
    database = open_database(database_url)
    await database.write(lambda tx: [tx.exec_driver_sql(one) for one in BEFORE])
    await migrations.migrate(database_url)
    consents = await database.read(lambda tx: tx.exec_driver_sql("SELECT id, aged_from FROM consents").all())
    records = await database.read(lambda tx: tx.exec_driver_sql("SELECT id, aged_from FROM records").all())
    assert {row[0]: row[1] for row in consents} == {
        "cns_named": None,
        "cns_gone": 8,
        "cns_none": 7,
        "cns_erased": None,
    }
    assert {row[0]: row[1] for row in records} == {"tip_kept": 5, "tip_gone": 70}
    await migrations.migrate(database_url, "0025")
    left = await database.read(lambda tx: tx.exec_driver_sql("SELECT id FROM consents").all())
    await database.close()
    assert len(left) == len(consents)
