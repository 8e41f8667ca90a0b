package web

import (
	"fmt"
	"net/http"

	"github.com/lokroom/strata/examples/marketplace/source"
)

// The forms of the pages. There is no login: the marketplace is an example of caching.

func (s *Server) priceForm(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	price, err := number(r, "price")
	if err != nil || price < 1 {
		return badf("a listing requires a price of at least 1")
	}
	e, err := s.market.Listing(r.Context(), id)
	if err != nil {
		return err
	}
	l := e.Value
	l.Price = source.Euros(price)
	if _, err := s.market.SaveListing(r.Context(), l); err != nil {
		return err
	}
	return back(w, r, id)
}

func (s *Server) reviewForm(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	user, errUser := number(r, "user")
	stars, errStars := number(r, "stars")
	if errUser != nil || errStars != nil {
		return badf("a review requires a user and stars")
	}
	if _, err := s.review(r, source.Review{Listing: id, User: int64(user), Stars: stars, Text: r.FormValue("text")}); err != nil {
		return err
	}
	return back(w, r, id)
}

func (s *Server) bookForm(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	user, errUser := number(r, "user")
	nights, errNights := number(r, "nights")
	if errUser != nil || errNights != nil {
		return badf("a booking requires a user and a number of nights")
	}
	if _, err := s.book(r, source.Booking{Listing: id, User: int64(user), FirstNight: r.FormValue("first"), Nights: nights}); err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("/bookings?user=%d", user), http.StatusSeeOther)
	return nil
}

func (s *Server) cancelForm(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	if err := s.market.Cancel(r.Context(), id); err != nil {
		return err
	}
	http.Redirect(w, r, "/bookings", http.StatusSeeOther)
	return nil
}

func back(w http.ResponseWriter, r *http.Request, listing int64) error {
	http.Redirect(w, r, fmt.Sprintf("/listings/%d", listing), http.StatusSeeOther)
	return nil
}
