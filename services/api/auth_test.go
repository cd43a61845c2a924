package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/pdeflow/pdeflow/services/api"
)

func ExampleSignToken() {
	secret := []byte("at least thirty-two bytes, from openssl rand -hex 24")
	token, err := api.SignToken(secret, "tina", api.Tester, 8*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	verify, err := api.SecretVerifier(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, err := verify(context.Background(), token)
	fmt.Println(caller.User, caller.Role, caller.Role.Includes(api.Viewer), err)
	// Output: tina tester true <nil>
}

func verifier(t *testing.T) api.Verify {
	t.Helper()
	verify, err := api.SecretVerifier(secret())
	if err != nil {
		t.Fatal(err)
	}
	return verify
}

// forged signs these claims.
func forged(t *testing.T, key any, algorithm jose.SignatureAlgorithm, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSecretVerifier_DistinguishesInvalidTokens(t *testing.T) {
	t.Parallel()
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	good := func() map[string]any {
		return map[string]any{
			"iss":   "pdeflow",
			"sub":   "tina",
			"roles": []string{"tester"},
			"iat":   in(0),
			"exp":   in(time.Hour),
		}
	}
	but := func(claim string, value any) string {
		claims := good()
		if claims[claim] = value; value == nil {
			delete(claims, claim)
		}
		return forged(t, secret(), jose.HS256, claims)
	}
	held := forged(t, secret(), jose.HS256, good())
	parts := strings.Split(held, ".")
	other := strings.Split(but("sub", "mallory"), ".")
	none := "eyJhbGciOiJub25lIn0." + parts[1] + "."

	tests := map[string]struct {
		token string
		want  error
	}{
		"the good one":      {held, nil},
		"not a token":       {"hello", api.ErrTokenMalformed},
		"without signature": {none, api.ErrTokenMalformed},
		"by another algorithm": {
			forged(t, append(secret(), secret()...), jose.HS512, good()), api.ErrTokenMalformed,
		},
		"signed with another key": {
			forged(t, []byte(strings.Repeat("x", 40)), jose.HS256, good()), api.ErrTokenSignature,
		},
		"changed after it was signed":           {parts[0] + "." + other[1] + "." + parts[2], api.ErrTokenSignature},
		"expired":                               {but("exp", in(-2*time.Minute)), api.ErrTokenExpired},
		"that never expires":                    {but("exp", nil), api.ErrTokenMalformed},
		"of the future":                         {but("iat", in(time.Hour)), api.ErrTokenNotYet},
		"that begins later":                     {but("nbf", in(time.Hour)), api.ErrTokenNotYet},
		"by a clock half a minute ahead":        {but("iat", in(30*time.Second)), nil},
		"by a clock that is half a minute slow": {but("exp", in(-30*time.Second)), nil},
		"that would sign as a service":          {but("sub", "Auditor"), api.ErrTokenMalformed},
		"of another issuer":                     {but("iss", "somebody"), api.ErrTokenMalformed},
		"without a subject":                     {but("sub", nil), api.ErrTokenMalformed},
		"that would sign as a job":              {but("sub", "job:123"), api.ErrTokenMalformed},
		"with a name that is no text":           {but("sub", "tina\x00"), api.ErrTokenMalformed},
		"with a name that is too long":          {but("sub", strings.Repeat("t", 201)), api.ErrTokenMalformed},
		"with a role of the wrong shape":        {but("roles", "tester"), api.ErrTokenMalformed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			// Not parallel: the tokens are made when the table is.
			caller, err := verifier(t)(t.Context(), tt.token)
			if !errors.Is(err, tt.want) {
				t.Fatalf("error: got %v, want %v", err, tt.want)
			}
			if tt.want == nil && caller != (api.Caller{User: "tina", Role: api.Tester}) {
				t.Errorf("caller: got %+v, want the tester tina", caller)
			}
			if err != nil && strings.Contains(err.Error(), tt.token) {
				t.Errorf("got error %v, want one without the token", err)
			}
		})
	}
}

func TestSecretVerifier_AcceptsATokenUntilItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		token, err := api.SignToken(secret(), "tina", api.Manager, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if caller, err := verifier(t)(t.Context(), token); err != nil || caller.Role != api.Manager {
			t.Errorf("a token within the leeway after its end: got %+v, %v, want a manager", caller, err)
		}
		<-time.After(65 * time.Second)
		if _, err := verifier(t)(t.Context(), token); !errors.Is(err, api.ErrTokenExpired) {
			t.Errorf("error after more than a minute: got %v, want ErrTokenExpired", err)
		}
	})
}

func TestSecretVerifier_TakesTheHighestRole(t *testing.T) {
	t.Parallel()
	token := forged(t, secret(), jose.HS256, map[string]any{
		"iss": "pdeflow", "sub": "tina", "roles": []string{"viewer", "tester", "emperor"},
		"exp": time.Now().Add(time.Hour).Unix(),
	})
	if caller, err := verifier(t)(t.Context(), token); err != nil || caller.Role != api.Tester {
		t.Errorf("got %+v, %v, want a tester", caller, err)
	}
	for i, role := range api.Roles() {
		for j, other := range api.Roles() {
			if role.Includes(other) != (i >= j) {
				t.Errorf("%s includes %s: got %v, want %v", role, other, role.Includes(other), i >= j)
			}
		}
	}
}

func TestSignToken_RefusesInvalidArguments(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		secret []byte
		user   string
		role   api.Role
		ttl    time.Duration
	}{
		"a short secret":  {secret()[:31], "tina", api.Tester, time.Hour},
		"nobody":          {secret(), "", api.Tester, time.Hour},
		"a job":           {secret(), "job:1", api.Tester, time.Hour},
		"a service":       {secret(), "dispatcher", api.Tester, time.Hour},
		"a line break":    {secret(), "tina\nroot", api.Tester, time.Hour},
		"an unknown role": {secret(), "tina", "emperor", time.Hour},
		"no role":         {secret(), "tina", "", time.Hour},
		"a time that was": {secret(), "tina", api.Tester, -time.Hour},
		"no time":         {secret(), "tina", api.Tester, 0},
		"invalid UTF-8":   {secret(), "tina\xff", api.Tester, time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if token, err := api.SignToken(tt.secret, tt.user, tt.role, tt.ttl); err == nil || token != "" {
				t.Errorf("%s: got token %q, error %v, want an error", name, token, err)
			}
		})
	}
	if _, err := api.SecretVerifier(secret()[:31]); err == nil {
		t.Error("a short secret verifies")
	}
}

func TestAnUnauthorisedRequestIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.imported(1)
	expired := forged(t, secret(), jose.HS256, map[string]any{
		"iss": "pdeflow", "sub": "tina", "roles": []string{"manager"}, "exp": time.Now().Add(-time.Minute).Unix(),
	})
	foreign := forged(t, []byte(strings.Repeat("x", 40)), jose.HS256, map[string]any{
		"iss": "pdeflow", "sub": "tina", "roles": []string{"manager"}, "exp": time.Now().Add(time.Hour).Unix(),
	})
	roleless := forged(
		t,
		secret(),
		jose.HS256,
		map[string]any{"iss": "pdeflow", "sub": "tina", "exp": time.Now().Add(time.Hour).Unix()},
	)
	tests := map[string]struct {
		header string
		status int
		kind   string
	}{
		"nothing":        {"", 401, "token-missing"},
		"a password":     {"Basic dGluYTpwYXNzd29yZA==", 401, "token-malformed"},
		"no token":       {"Bearer ", 401, "token-malformed"},
		"some text":      {"Bearer let-me-in", 401, "token-malformed"},
		"an expired one": {"Bearer " + expired, 401, "token-expired"},
		"a foreign one":  {"Bearer " + foreign, 401, "token-signature"},
		"a viewer's":     {"Bearer " + f.token("vera", api.Viewer), 403, "role-too-low"},
		"one of no role": {"Bearer " + roleless, 403, "role-too-low"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := f.in(t)
			c := call{method: http.MethodPost, path: reportURL("/pde-mappings/regenerate-all"), body: `{"nonsense": ` +
				`1}`, header: map[string]string{}}
			if tt.header != "" {
				c.header["Authorization"] = tt.header
			}
			a := f.do(c)
			p := refused(t, a, tt.status, tt.kind)
			challenge := a.header.Get("WWW-Authenticate")
			switch tt.status {
			case http.StatusUnauthorized:
				if !strings.HasPrefix(challenge, `Bearer realm="pdeflow"`) {
					t.Errorf("%s: the challenge: got %q, want one for pdeflow", name, challenge)
				}
			default:
				if !strings.Contains(p.Detail, "the role tester") || challenge != "" {
					t.Errorf("%s: got detail %s, challenge %q, want a detail that names the role and no challenge",
						name, p.Detail, challenge)
				}
			}
			if token, ok := strings.CutPrefix(tt.header, "Bearer "); ok && token != "" &&
				strings.Contains(a.body+challenge, token) {
				t.Errorf("%s: got a response that repeats the token, want one without it", name)
			}
		})
	}
	if n := f.Count("select count(*) from jobs"); n != 0 {
		t.Errorf("jobs: got %d, want 0", n)
	}
	for _, line := range f.Log.Records() {
		if text := fmt.Sprint(line); strings.Contains(text, "eyJ") || strings.Contains(text, "let-me-in") ||
			strings.Contains(text, "dGluYTpwYXNzd29yZA") {
			t.Errorf("got the log line %s, want no token in the log", text)
		}
	}
}

// The routes are taken from the document, so that none is forgotten here.
func TestEveryRouteRequiresTheRoleOfTheContract(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mapping := f.imported(1)[0]
	job := f.finished()
	const planned = "/api/v1/planning/cycles/{cycle_id}/reports/{report_id}"
	lowest := map[string]api.Role{
		"get /healthz": "", "get /readyz": "", "get /openapi.json": "", "get /openapi.yaml": "",
		"get /api/v1/jobs": api.Viewer, "get /api/v1/jobs/active": api.Viewer,
		"get /api/v1/jobs/{job_id}/events": api.Viewer,
		"get /api/v1/jobs/{job_id}/status": api.Viewer, "get /api/v1/jobs/{job_id}/items": api.Viewer,
		"get /api/v1/jobs/{job_id}/calls":   api.Viewer,
		"post /api/v1/jobs/{job_id}/cancel": api.Tester, "post /api/v1/jobs/{job_id}/pause": api.Tester,
		"post /api/v1/jobs/{job_id}/resume": api.Tester, "post /api/v1/jobs/{job_id}/retry": api.Tester,
		"get /api/v1/planning/reports":   api.Viewer,
		"post " + planned + "/import":    api.Tester,
		"get " + planned + "/attributes": api.Viewer, "get " + planned + "/attributes/{id}": api.Viewer,
		"put " + planned + "/attributes/{id}": api.Tester, "put " + planned + "/data-sources/{id}": api.Tester,
		"post " + planned + "/attributes":  api.Tester,
		"get " + planned + "/data-sources": api.Viewer, "get " + planned + "/data-sources/{id}": api.Viewer,
		"post " + planned + "/data-sources":                            api.Tester,
		"post " + planned + "/data-sources/{id}/test-connection":       api.Tester,
		"get " + planned + "/data-sources/{id}/summary":                api.Viewer,
		"post " + planned + "/data-sources/{id}/refresh":               api.Tester,
		"delete " + planned + "/attributes/{id}":                       api.Tester,
		"delete " + planned + "/data-sources/{id}":                     api.Tester,
		"delete " + planned + "/data-sources/{id}/columns/{column_id}": api.Tester, "delete " + planned: api.Manager,
		"get " + planned + "/pde-mappings": api.Viewer, "get " + planned + "/pde-mappings/{id}": api.Viewer,
		"get " + planned + "/pde-mappings/{id}/history":            api.Viewer,
		"put " + planned + "/pde-mappings/{id}":                    api.Tester,
		"post " + planned + "/pde-mappings/{id}/accept-suggestion": api.Tester,
		"post " + planned + "/pde-mappings/{id}/undo":              api.Tester,
		"post " + planned + "/pde-mappings/{id}/review":            api.Manager,
		"post " + planned + "/pde-mappings/review":                 api.Manager,
		"post " + planned + "/carry-over":                          api.Tester,
		"get " + planned + "/compare":                              api.Viewer,
		"get " + planned + "/auto-approval":                        api.Viewer,
		"put " + planned + "/auto-approval":                        api.Manager,
		"post " + planned + "/auto-approval/preview":               api.Manager,
		"get " + planned + "/pde-mappings/export":                  api.Viewer,
		"post " + planned + "/pde-mappings/import-decisions":       api.Tester,
		"post " + planned + "/pde-mappings/regenerate-all":         api.Tester,
		"post " + planned + "/pde-mappings/auto-map":               api.Tester,
		"post " + planned + "/pde-classifications/suggest-batch":   api.Tester,
	}
	place := strings.NewReplacer(
		"{cycle_id}",
		cycle,
		"{report_id}",
		report,
		"{job_id}",
		job,
		"{id}",
		mapping,
		"{column_id}",
		mapping,
	)
	document := must[struct{ Paths map[string]map[string]any }](t, f.get("/openapi.json"), http.StatusOK)
	for path, item := range document.Paths {
		for method := range item {
			needed, told := lowest[method+" "+path]
			if !told {
				t.Errorf("%s %s has roles that this test does not list", method, path)
				continue
			}
			for _, role := range append([]api.Role{""}, api.Roles()...) {
				status := f.do(call{method: strings.ToUpper(method), path: place.Replace(path), role: role}).status
				if may := status != http.StatusUnauthorized && status != http.StatusForbidden; may != role.Includes(
					needed,
				) {
					t.Errorf("%s %s with the role %q: got %d, want the roles from %q on",
						method, path, role, status, needed)
				}
			}
			delete(lowest, method+" "+path)
		}
	}
	for route := range lowest {
		t.Run(route, func(t *testing.T) {
			t.Errorf("%s is not there", route)
		})
	}
}
