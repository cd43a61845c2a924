package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Role says what a caller may do. Each role includes the ones before it.
type Role string

// The roles.
const (
	// Viewer reads.
	Viewer Role = "viewer"
	// Tester runs jobs and edits, too.
	Tester Role = "tester"
	// Manager reviews, too.
	Manager Role = "manager"
)

// Roles lists every role, the least first.
func Roles() []Role { return []Role{Viewer, Tester, Manager} }

// Includes reports whether who has the role r may do what other may.
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

// Caller is who makes a request.
type Caller struct {
	// User is the name under which the caller's doings are kept.
	User string
	Role Role
}

// Verify tells who a bearer token belongs to. Of a token that does not hold it returns one of the errors below, wrapped or not.
type Verify func(ctx context.Context, token string) (Caller, error)

// What may be wrong with a token.
var (
	// ErrTokenMalformed says that it is no token of ours.
	ErrTokenMalformed = errors.New("the token is not a JSON Web Token that this server understands")
	// ErrTokenSignature says that somebody else signed it, or changed it.
	ErrTokenSignature = errors.New("the token's signature does not fit")
	// ErrTokenExpired says that its time is over.
	ErrTokenExpired = errors.New("the token has expired")
	// ErrTokenNotYet says that its time has not come.
	ErrTokenNotYet = errors.New("the token is not valid yet")
)

const (
	// issuer is in every token that is signed with the development secret.
	issuer = "pdeflow"
	// minSecret is what the algorithm needs: a key as long as its hash.
	minSecret = 32
	// maxUser bounds a user's name, which is kept in every row that the user writes.
	maxUser = 200
	// leeway is how far the clocks of two machines may differ.
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
		return "", fmt.Errorf("sign token: the user's name is empty, longer than %d bytes, begins with job:, has characters that cannot be printed, "+
			"or is the name of a service (%s)", maxUser, strings.Join(serviceNames(), ", "))
	case role.rank() == 0:
		return "", fmt.Errorf("sign token: there is no role %q, there are %q", role, Roles())
	case ttl <= 0:
		return "", errors.New("sign token: it would have expired already")
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	now := time.Now()
	token, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{Issuer: issuer, Subject: user, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(ttl))},
		Roles:  []string{string(role)},
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// SecretVerifier verifies tokens that [SignToken] signed with the same secret.
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
	// The one algorithm is named here and not read from the token.
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return Caller{}, ErrTokenMalformed // what the parser says may repeat the token
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

// highest returns the highest of the roles that exist, none where none does.
func highest(names []string) Role {
	var best Role
	for _, name := range names {
		if r := Role(name); r.rank() > best.rank() {
			best = r
		}
	}
	return best
}

// ValidUser reports whether a token may carry the name. It refuses names that cannot be stored, and those with which jobs and services
// sign the rows that they write: an edit by a user called auditor would look like one by the auditor.
func ValidUser(name string) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	return name != "" && len(name) <= maxUser && utf8.ValidString(name) && !strings.HasPrefix(name, "job:") &&
		!slices.Contains(serviceNames(), strings.ToLower(strings.TrimSpace(name))) && !strings.ContainsFunc(name, unprintable)
}

// serviceNames are the names with which the services sign.
func serviceNames() []string {
	return []string{"api", "dispatcher", "classifier", "projector", "auditor"}
}

// authorised lets callers pass who have the role.
func (s *Server) authorised(role Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		if role == "" {
			next(ctx)
			return
		}
		r, w := humachi.Unwrap(ctx)
		caller, refusal := s.identify(r.Context(), r.Header.Values("Authorization"))
		if refusal != nil {
			s.write(w, r, refusal)
			return
		}
		exchangeFrom(r.Context()).caller = caller
		if !caller.Role.Includes(role) {
			s.write(w, r, refuse(roleTooLow, fmt.Sprintf("This needs the role %s, and %s.", role, roleOf(caller))))
			return
		}
		next(ctx)
	}
}

func roleOf(c Caller) string {
	if c.Role == "" {
		return "the token has none"
	}
	return "the token has " + string(c.Role)
}

func (s *Server) identify(ctx context.Context, header []string) (Caller, *Problem) {
	if len(header) == 0 || header[0] == "" {
		return Caller{}, unauthorised(tokenMissing, "Send the header Authorization: Bearer TOKEN.", "")
	}
	scheme, token, found := strings.Cut(header[0], " ")
	token = strings.TrimSpace(token)
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") || !found || token == "" {
		return Caller{}, unauthorised(tokenMalformed, "The header has to read Authorization: Bearer TOKEN, once.", "invalid_request")
	}
	caller, err := s.verify(ctx, token)
	switch {
	case err == nil:
		return caller, nil
	case errors.Is(err, ErrTokenMalformed):
		return Caller{}, unauthorised(tokenMalformed, "The token is none that this server understands; pdeflow token makes one.", "invalid_token")
	case errors.Is(err, ErrTokenSignature):
		return Caller{}, unauthorised(tokenSignature, "The token was signed with another secret, or changed.", "invalid_token")
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
	return refuse(kind, detail).with("WWW-Authenticate", challenge)
}

// callerOf is who makes the request of this context.
func callerOf(ctx context.Context) Caller { return exchangeFrom(ctx).caller }
