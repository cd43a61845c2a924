package api

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/pdeflow/pdeflow/services/api/desk"
)

// registerSignIn registers the pages with which a user signs in and out.
func (s *Server) registerSignIn() {
	s.router.Get("/signin", s.compressed(func(w http.ResponseWriter, r *http.Request) {
		if s.begin(w, r, maxToken) {
			s.writePage(w, r, http.StatusOK, desk.SignIn{Next: localPath(r.URL.Query().Get("next"))})
		}
	}))
	s.router.Post("/signin", s.compressed(s.signIn))
	s.router.Post("/signout", func(w http.ResponseWriter, r *http.Request) {
		if !s.begin(w, r, maxToken) {
			return
		}
		http.SetCookie(w, newTokenCookie(r, "", -1))
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
	})
}

// signIn sets the cookie of a user with a valid token.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	if !s.begin(w, r, maxToken) {
		return
	}
	if err := parseForm(r); err != nil {
		s.writeRefusal(w, r, problemOf(r.Context(), err))
		return
	}
	token := strings.TrimPrefix(strings.TrimSpace(r.PostForm.Get("token")), "#")
	next := localPath(r.PostForm.Get("next"))
	caller, problem := s.identify(r.Context(), []string{"Bearer " + token})
	if problem != nil {
		problem.bind(r.Context())
		detail := problem.Title + ". " + problem.Detail
		if token == "" {
			detail = "Paste a token."
		}
		s.writePage(w, r, problem.Status, desk.SignIn{Next: next, Problem: detail})
		return
	}
	exchangeFrom(r.Context()).caller = caller
	http.SetCookie(w, newTokenCookie(r, token, 0))
	http.Redirect(w, r, cmp.Or(next, "/"), http.StatusSeeOther) //nolint:gosec // a local path
}

// maxToken bounds the form with a token.
const maxToken = 16 << 10

// newTokenCookie returns the cookie with the token. It ends with the session of the browser, or with the token, which
// every request verifies.
func newTokenCookie(r *http.Request, token string, maxAge int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // see Secure
		Name: tokenCookie, Value: token, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		// Without TLS, which a demo on loopback does not have, a browser would not return a secure cookie.
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

// askToSignIn leads to the page for signing in, and then back to the requested page.
func (s *Server) askToSignIn(w http.ResponseWriter, r *http.Request, p *Problem) {
	p.bind(r.Context())
	if p.Status != http.StatusUnauthorized {
		s.writeRefusal(w, r, p)
		return
	}
	to := "/signin"
	if r.Method == http.MethodGet && r.URL.Path != "/" {
		to += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}
