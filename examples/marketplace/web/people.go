package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/lokroom/strata/examples/marketplace/source"
)

func (s *Server) getUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	u, err := s.market.User(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, u)
}

func (s *Server) getUserByEmail(w http.ResponseWriter, r *http.Request) error {
	u, err := s.market.UserByEmail(r.Context(), r.FormValue("email"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, u)
}

func (s *Server) putUser(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	var u source.User
	if err := readJSON(w, r, &u); err != nil {
		return err
	}
	if u.Name == "" || !strings.Contains(u.Email, "@") {
		return badf("a user requires a name and an e-mail address")
	}
	u.ID = id
	if err := s.market.SaveUser(r.Context(), u); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, u)
}

// getBookings returns the bookings of ?user=, or of all users, by pages.
func (s *Server) getBookings(w http.ResponseWriter, r *http.Request) error {
	user, page, err := readBookingsQuery(r)
	if err != nil {
		return err
	}
	found, err := s.market.Bookings(r.Context(), user, page)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
}

func readBookingsQuery(r *http.Request) (user int64, page int, err error) {
	u, err := number(r, "user")
	if err != nil {
		return 0, 0, err
	}
	if page, err = number(r, "page"); err == nil && page > maxPage {
		err = badf("there are %d pages at most", maxPage)
	}
	return int64(u), max(page, 1), err
}

func (s *Server) postBooking(w http.ResponseWriter, r *http.Request) error {
	var b source.Booking
	if err := readJSON(w, r, &b); err != nil {
		return err
	}
	b, err := s.book(r, b)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, b)
}

func (s *Server) book(r *http.Request, b source.Booking) (source.Booking, error) {
	if _, err := time.Parse(time.DateOnly, b.FirstNight); err != nil || b.Nights < 1 || b.Nights > 30 {
		return b, badf("a booking requires a first night such as 2030-12-24, and 1 to 30 nights")
	}
	if _, err := s.market.User(r.Context(), b.User); err != nil {
		return b, badf("user %d: %w", b.User, err)
	}
	return s.market.Book(r.Context(), b)
}

func (s *Server) deleteBooking(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.market.Cancel(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) getReviews(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	newest, stats, err := s.market.Reviews(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Stats  source.ReviewStats `json:"stats"`
		Newest []source.Review    `json:"newest"`
	}{stats, newest})
}

func (s *Server) postReview(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	var v source.Review
	if err := readJSON(w, r, &v); err != nil {
		return err
	}
	v.Listing = id
	if v, err = s.review(r, v); err != nil {
		return err
	}
	return writeJSON(w, http.StatusCreated, v)
}

func (s *Server) review(r *http.Request, v source.Review) (source.Review, error) {
	if v.Stars < 1 || v.Stars > 5 || v.Text == "" || len(v.Text) > 2000 {
		return v, badf("a review requires 1 to 5 stars and a text of at most 2000 bytes")
	}
	if _, err := s.market.User(r.Context(), v.User); err != nil {
		return v, badf("user %d: %w", v.User, err)
	}
	return s.market.Review(r.Context(), v)
}
