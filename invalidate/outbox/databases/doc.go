// Package databases tests package outbox on PostgreSQL, SQLite and MariaDB.
package databases
