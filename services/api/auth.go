package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pdeflow/pdeflow/schema"
)

// Role decides what a caller can do. Each role includes the previous ones.
type Role string

const (
	// Viewer can read.
	Viewer Role = "viewer"
	// Tester can also start and control jobs, edit mappings, and import, add and remove data.
	Tester Role = "tester"
	// Manager can also review mappings, set the rule of auto-approval, and remove reports and confirmed data.
	Manager Role = "manager"
)

// Roles returns the roles from the lowest to the highest.
func Roles() []Role { return []Role{Viewer, Tester, Manager} }

// Includes reports whether r allows everything that other allows.
func (r Role) Includes(other Role) bool { return r.rank() >= other.rank() }

func (r Role) rank() int {
	switch r {
	case Manager:
		return 3
	case Tester:
		return 2
	case Viewer:
		return 1
	default:
		return 0
	}
}

// Caller is the user of a request.
type Caller struct {
	// User is the name that is stored with the changes of the user.
	User string
	Role Role
}

// Verify returns the caller of a bearer token. For an invalid token, it returns one of the errors below, possibly
// wrapped.
type Verify func(ctx context.Context, token string) (Caller, error)

var (
	// ErrTokenMalformed means that the token is not a token of this server.
	ErrTokenMalformed = errors.New("the token is not a JSON Web Token of this server")
	// ErrTokenSignature means that the token was signed with another secret or was changed.
	ErrTokenSignature = errors.New("the signature of the token is invalid")
	// ErrTokenExpired means that the token has expired.
	ErrTokenExpired = errors.New("the token has expired")
	// ErrTokenNotYet means that the token is not valid yet.
	ErrTokenNotYet = errors.New("the token is not valid yet")
)

const (
	// issuer is the issuer of tokens that are signed with the development secret.
	issuer = "pdeflow"
	// minSecret is the minimum length of the secret: that of the hash.
	minSecret = 32
	// maxUser bounds the name of a user, which is stored in every row that the user changes.
	maxUser = 200
	// leeway is the tolerated difference between the clocks of two machines.
	leeway = time.Minute
)

type claims struct {
	jwt.Claims
	Roles []string `json:"roles"`
}

// SignToken signs a token for the user with the development secret.
func SignToken(secret []byte, user string, role Role, ttl time.Duration) (string, error) {
	switch {
	case len(secret) < minSecret:
		return "", secretTooShort()
	case !ValidUser(user):
		return "", fmt.Errorf("sign token: the name of the user is empty, longer than %d bytes, begins with job:, "+
			"has unprintable characters, or is the name of a reviewer that is no user (%q) or of a service (%q)",
			maxUser, schema.Reviewers(), schema.Services())
	case role.rank() == 0:
		return "", fmt.Errorf("sign token: unknown role %q, the roles are %q", role, Roles())
	case ttl <= 0:
		return "", errors.New("sign token: the lifetime must be positive")
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, options)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: issuer, Subject: user,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(ttl)),
		},
		Roles: []string{string(role)},
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// SecretVerifier verifies tokens that [SignToken] has signed with the same secret, of at least 32 bytes.
func SecretVerifier(secret []byte) (Verify, error) {
	if len(secret) < minSecret {
		return nil, secretTooShort()
	}
	return func(_ context.Context, token string) (Caller, error) { return verifySigned(secret, token) }, nil
}

func secretTooShort() error {
	return fmt.Errorf("the secret that signs tokens must have at least %d bytes", minSecret)
}

func verifySigned(secret []byte, token string) (Caller, error) {
	// The algorithm is fixed, and never taken from the token.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return Caller{}, ErrTokenMalformed // the error of the parser may contain the token
	}
	var c claims
	if err := parsed.Claims(secret, &c); err != nil {
		if errors.Is(err, jose.ErrCryptoFailure) {
			return Caller{}, ErrTokenSignature
		}
		return Caller{}, ErrTokenMalformed
	}
	err = c.ValidateWithLeeway(jwt.Expected{Issuer: issuer}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return Caller{}, ErrTokenExpired
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return Caller{}, ErrTokenNotYet
	case err != nil, c.Expiry == nil, !ValidUser(c.Subject):
		return Caller{}, ErrTokenMalformed
	}
	return Caller{User: c.Subject, Role: highest(c.Roles)}, nil
}

// highest returns the highest role among the names, or "".
func highest(names []string) Role {
	var best Role
	for _, name := range names {
		if r := Role(name); r.rank() > best.rank() {
			best = r
		}
	}
	return best
}

// ValidUser reports whether the name is allowed in a token. It refuses names that cannot be stored, and the names under
// which jobs and services change rows: an edit by a user called auditor would look like one by the auditor.
func ValidUser(name string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return name != "" && len(name) <= maxUser && utf8.ValidString(name) && !strings.HasPrefix(name, "job:") &&
		!slices.Contains(schema.Services(), schema.Service(strings.ToLower(strings.TrimSpace(name)))) &&
		!slices.Contains(schema.Reviewers(), strings.ToLower(strings.TrimSpace(name))) &&
		!strings.ContainsFunc(name, unprintable)
}

// authorised requires a token with the role; none if the role is empty. A request that only reads may have the token in
// the cookie of the page, whose events and downloads cannot have a header.
func (s *Server) authorised(role Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if role == "" {
			next(ctx)
			return
		}
		r, w := humachi.Unwrap(ctx)
		header := r.Header.Values("Authorization")
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			header = credentials(r)
		}
		caller, problem := s.identify(r.Context(), header)
		if problem != nil {
			s.write(w, r, problem)
			return
		}
		exchangeFrom(r.Context()).caller = caller
		if !caller.Role.Includes(role) {
			s.write(w, r, newProblem(roleTooLow, fmt.Sprintf("This needs the role %s, and "+
				"%s.", role, tokenRole(caller))))
			return
		}
		next(ctx)
	}
}

func tokenRole(c Caller) string {
	if c.Role == "" {
		return "the token has no role"
	}
	return "the token has the role " + string(c.Role)
}

func (s *Server) identify(ctx context.Context, header []string) (Caller, *Problem) {
	if len(header) == 0 || header[0] == "" {
		return Caller{}, unauthorised(tokenMissing, "Send the header Authorization: Bearer TOKEN.", "")
	}
	scheme, token, found := strings.Cut(header[0], " ")
	token = strings.TrimSpace(token)
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") || !found || token == "" {
		return Caller{}, unauthorised(tokenMalformed, "Send the header once, as Authorization: Bearer "+
			"TOKEN.", "invalid_request")
	}
	caller, err := s.verify(ctx, token)
	switch {
	case err == nil:
		return caller, nil
	case errors.Is(err, ErrTokenMalformed):
		return Caller{}, unauthorised(tokenMalformed, "This server does not accept such tokens; create one with "+
			"pdeflow token.",
			"invalid_token")
	case errors.Is(err, ErrTokenSignature):
		return Caller{}, unauthorised(tokenSignature, "The token was signed with another secret, or was changed.",
			"invalid_token")
	case errors.Is(err, ErrTokenExpired):
		return Caller{}, unauthorised(tokenExpired, "The token has expired; get a new one.", "invalid_token")
	case errors.Is(err, ErrTokenNotYet):
		return Caller{}, unauthorised(tokenNotYet, "The token is not valid yet; compare the clocks.", "invalid_token")
	default:
		return Caller{}, problemOf(ctx, fmt.Errorf("verify token: %w", err))
	}
}

func unauthorised(kind problemKind, detail, code string) *Problem {
	challenge := `Bearer realm="pdeflow"`
	if code != "" {
		challenge += `, error="` + code + `", error_description="` + detail + `"`
	}
	return newProblem(kind, detail).addHeader("WWW-Authenticate", challenge)
}

// callerOf returns the caller of the request of the context.
func callerOf(ctx context.Context) Caller { return exchangeFrom(ctx).caller }
