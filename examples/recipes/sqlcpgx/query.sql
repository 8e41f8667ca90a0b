-- name: Listing :one
SELECT * FROM listings WHERE id = $1;

-- name: Bookings :many
SELECT * FROM bookings WHERE listing = $1 ORDER BY night;

-- name: SetPrice :exec
UPDATE listings SET price = $2 WHERE id = $1;

-- name: AddBooking :exec
INSERT INTO bookings (listing, guest, night) VALUES ($1, $2, $3);
