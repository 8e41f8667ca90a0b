package outbox_test

import (
	"fmt"

	"github.com/lokroom/strata/invalidate/outbox"
)

func ExampleSchema() {
	fmt.Println(outbox.Schema(outbox.MySQL))
	// Output:
	// CREATE TABLE IF NOT EXISTS strata_outbox (
	//   id char(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
	//   kind longtext CHARACTER SET utf8mb4 NOT NULL,
	//   payload longtext CHARACTER SET utf8mb4 NOT NULL,
	//   created bigint NOT NULL,
	//   due bigint NOT NULL,
	//   tries integer NOT NULL DEFAULT 0
	// ) ENGINE = InnoDB;
	// CREATE TABLE IF NOT EXISTS strata_outbox_stuck (
	//   id char(32) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
	//   kind longtext CHARACTER SET utf8mb4 NOT NULL,
	//   payload longtext CHARACTER SET utf8mb4 NOT NULL,
	//   created bigint NOT NULL,
	//   moved bigint NOT NULL,
	//   reason longtext CHARACTER SET utf8mb4 NOT NULL
	// ) ENGINE = InnoDB;
}

func ExampleTriggerSQL() {
	s, err := outbox.TriggerSQL(outbox.PostgreSQL, "listings", "id", "city")
	fmt.Println(s, err)
	// Output:
	// CREATE OR REPLACE FUNCTION "strata_outbox_listings"() RETURNS trigger LANGUAGE plpgsql AS $strata$
	// BEGIN
	//   INSERT INTO strata_outbox (kind, payload) VALUES ('row:listings', CASE TG_OP
	//     WHEN 'TRUNCATE' THEN '{"truncated":true}'
	//     WHEN 'INSERT' THEN json_build_object('new', json_build_object('id', NEW."id", 'city', NEW."city"))::text
	//     WHEN 'DELETE' THEN json_build_object('old', json_build_object('id', OLD."id", 'city', OLD."city"))::text
	//     ELSE json_build_object('old', json_build_object('id', OLD."id", 'city', OLD."city"), 'new', json_build_object('id', NEW."id", 'city', NEW."city"))::text END);
	//   RETURN NULL;
	// END $strata$
	// --
	// DROP TRIGGER IF EXISTS "strata_outbox_listings" ON "listings"
	// --
	// CREATE TRIGGER "strata_outbox_listings" AFTER INSERT OR UPDATE OR DELETE ON "listings" FOR EACH ROW EXECUTE FUNCTION "strata_outbox_listings"()
	// --
	// DROP TRIGGER IF EXISTS "strata_outbox_listings_truncate" ON "listings"
	// --
	// CREATE TRIGGER "strata_outbox_listings_truncate" AFTER TRUNCATE ON "listings" FOR EACH STATEMENT EXECUTE FUNCTION "strata_outbox_listings"() <nil>
}
