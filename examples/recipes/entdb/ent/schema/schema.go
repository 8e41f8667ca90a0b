// Package schema has the tables for the generator of ent.
package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/schema/field"
)

// Listing is a row of listings.
type Listing struct{ ent.Schema }

// Fields returns the columns.
func (Listing) Fields() []ent.Field {
	return []ent.Field{field.Int64("id"), field.String("title"), field.Int64("price")}
}

// Booking is a row of bookings.
type Booking struct{ ent.Schema }

// Fields returns the columns.
func (Booking) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"), field.Int64("listing"), field.String("guest"),
		field.Time("night").SchemaType(map[string]string{dialect.Postgres: "date"}),
	}
}
