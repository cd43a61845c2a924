package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/nats-io/nats.go"

	"github.com/pdeflow/pdeflow/events"
	"github.com/pdeflow/pdeflow/schema"
)

// prefix begins the path of every route of the API proper.
const prefix = "/api/v1"

// reportPath is where everything of one report lies.
const reportPath = prefix + "/planning/cycles/{cycle_id}/reports/{report_id}"

// ReportPath is what the path says under [reportPath]. What is embedded in an input is exported, because huma passes over the rest.
type ReportPath struct {
	CycleID  string `path:"cycle_id"`
	ReportID string `path:"report_id"`
}

const (
	// maxBody bounds the body of a request, except where its operation names another limit.
	maxBody = 1 << 20
	// maxUpload bounds the body of a request that brings files.
	maxUpload = 32 << 20
	// bodyTimeout is how long a client may take to send a request.
	bodyTimeout = time.Minute
	// grace is how long requests may go on once the server is to stop.
	grace = 10 * time.Second
)

// Options for [New].
type Options struct {
	// Verify tells who a bearer token belongs to. It is needed; see [SecretVerifier].
	Verify Verify
	// Classifier judges the mappings of a job that names none; the rules if empty.
	Classifier schema.ClassifierKind
	// Checks are what /readyz asks about, besides the database: the other dependencies and the services of this process.
	Checks []Check
	// Version is the version of this program that /healthz reports.
	Version string
	// Events delivers the events that wake requests which wait for a job's status; nil leaves them to polling.
	Events *nats.Conn
	// Log receives what requests do; nil discards it.
	Log *slog.Logger
}

// Server answers HTTP requests.
type Server struct {
	db         *schema.DB
	publisher  *events.Publisher
	verify     Verify
	classifier schema.ClassifierKind
	checks     []Check
	version    string
	log        *slog.Logger

	router  *chi.Mux
	api     huma.API
	handler http.Handler

	// bodyTimeout is the constant of that name, except in tests.
	bodyTimeout time.Duration

	statuses *statusReader

	// imports has an element for each import that is being done.
	imports  chan struct{}
	inFlight sync.WaitGroup
	// stopping is closed when the server is to stop, which ends every wait for a change.
	stopping chan struct{}
	stop     func()
}

// New returns a server that keeps everything in the database and announces jobs with the publisher.
func New(db *schema.DB, publisher *events.Publisher, opts Options) (*Server, error) {
	if opts.Verify == nil {
		return nil, errors.New("api: there is nothing to verify tokens with")
	}
	s := &Server{
		db:         db,
		publisher:  publisher,
		verify:     opts.Verify,
		classifier: cmp.Or(opts.Classifier, schema.Rules),
		checks:     opts.Checks,
		version:    cmp.Or(opts.Version, "unknown"),
		log:        cmp.Or(opts.Log, slog.New(slog.DiscardHandler)),
		router:     chi.NewMux(),
		stopping:   make(chan struct{}),
		imports:    make(chan struct{}, maxImports),

		bodyTimeout: bodyTimeout,
	}
	if !available(s.classifier) {
		return nil, fmt.Errorf("api: the classifier %s is not there yet", s.classifier)
	}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.statuses = &statusReader{
		read: s.readStatuses, conn: opts.Events, log: s.log, start: s.inFlight.Go, stopping: s.stopping,
		pollEvery: pollEvery, wake: make(chan struct{}, 1), waiters: map[string]map[*waiter]bool{},
	}
	s.router.Use(middleware.GetHead)
	s.router.NotFound(s.notFound)
	s.router.MethodNotAllowed(s.methodNotAllowed)
	s.api = humachi.New(s.router, s.humaConfig())
	s.handler = s.logged(s.recovered(s.readable(s.router)))

	s.registerHealth()
	s.registerRegenerate()
	s.registerJobs()
	s.registerStatus()
	s.registerReports()
	s.registerImport()
	s.registerAttributes()
	s.registerDataSources()
	s.registerRemovals()
	s.registerMappings()
	s.registerOpenAPI()
	describeNulls(s.api.OpenAPI().Components.Schemas)
	return s, nil
}

// humaConfig leaves out what huma brings of its own accord: documentation pages that load from elsewhere, links to schemas in every
// body, and a route for each schema.
func (s *Server) humaConfig() huma.Config {
	config := huma.DefaultConfig("pdeflow", apiVersion)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Formats = map[string]huma.Format{"application/json": jsonFormat(), "json": jsonFormat()}
	config.Transformers = []huma.Transformer{s.asProblem}
	describeDocument(config.OpenAPI)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	return config
}

// Handler answers one request.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves the listener until the context ends, then lets what is being answered finish, for ten seconds, and returns when nothing of
// it runs any more. It closes the listener. A server runs once.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		// The deadline is the connection's and not the handler's, because net/http reads what a handler has left of a body before it sends
		// the answer. It ends with the body: waiting and importing are not cut off by it.
		ReadTimeout: s.bodyTimeout,
		// Longer than anybody may wait for a change and longer than an import takes.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// Every request has its lines in the log, OPTIONS * too.
		DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.log.Info("api listens", "address", listener.Addr().String())
	select {
	case err := <-served:
		s.stop()
		if closing := server.Close(); closing != nil { // the connections that are there already live on without the listener
			s.log.Warn("connections do not close", "error", closing)
		}
		s.inFlight.Wait()
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	s.stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.log.Warn("requests are cut off", "error", err)
		err = server.Close() // which cancels the requests' contexts
		if err != nil {
			s.log.Warn("connections do not close", "error", err)
		}
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		s.log.Warn("the listener ended", "error", err)
	}
	s.inFlight.Wait()
	return nil
}

// route registers an operation for callers with the role, or for anyone where it is empty. The document lists the statuses in op.Errors
// beside those that every such operation may answer. An error of the handler becomes the problem that the table in problem.go has for
// it. The operation's own middlewares run after the authorisation and before the body is read.
func route[I, O any](s *Server, role Role, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	// Limits are kept by readBody: huma counts a body of just this size as too long, and its time limit would also end a request that is
	// here already and takes its time to be understood.
	op.MaxBodyBytes, op.BodyReadTimeout = cmp.Or(op.MaxBodyBytes, maxBody)+1, -1
	op.Middlewares = slices.Concat(huma.Middlewares{s.authorised(role)}, op.Middlewares, huma.Middlewares{s.readBody})
	op.Description = cmp.Or(op.Description, op.Summary+".")
	op.Security = []map[string][]string{}
	if role != "" {
		// A health check may add parameters of its own.
		op.RejectUnknownQueryParameters = true
		op.Security = []map[string][]string{{"bearer": {string(role)}}}
		op.Description += " Needs the role " + string(role) + "."
	}
	s.describeRefusals(&op, role)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}
