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
	"github.com/pdeflow/pdeflow/services/api/desk"
	"github.com/pdeflow/pdeflow/services/api/introspect"
)

// prefix is the prefix of the paths of the API.
const prefix = "/api/v1"

// reportPath is the path of a report.
const reportPath = prefix + "/planning/cycles/{cycle_id}/reports/{report_id}"

// ReportPath has the parameters of the path of a report. It is exported because huma ignores unexported embedded types.
type ReportPath struct {
	CycleID  string `path:"cycle_id"`
	ReportID string `path:"report_id"`
}

const (
	// maxBody bounds the body of a request, unless its operation has another limit.
	maxBody = 1 << 20
	// maxUpload bounds the body of a request with files.
	maxUpload = 32 << 20
	// bodyTimeout is the time within which a client must send a request.
	bodyTimeout = time.Minute
	// judgeWait is the time that a dry run waits until another one has judged its mappings.
	judgeWait = 10 * time.Second
	// grace is the time that running requests have after the server begins to stop.
	grace = 10 * time.Second
)

// Options for [New].
type Options struct {
	// Verify returns the caller of a bearer token. It is required; see [SecretVerifier].
	Verify Verify
	// Secret is the secret of the installation. Passwords of data sources are encrypted with a key that is derived from
	// it. If it is empty, they are not stored.
	Secret []byte
	// Classifier is the default classifier of a job; if it is empty, the rules.
	Classifier schema.ClassifierKind
	// Model is the name of the model that classifies llm and hybrid jobs; if it is empty, such jobs are refused.
	// ModelHasPrice reports that its cost is known, so that a job may have a limit of cost.
	Model         string
	ModelHasPrice bool
	// Estimate returns, for dry runs, the number of mappings that a job would skip as unchanged, and what its calls of
	// a model would use and cost. If it is nil, dry runs report 0.
	Estimate func(context.Context, schema.Job) (unchanged int64, usage schema.Usage, err error)
	// Checks are the checks of /readyz in addition to that of the database: the other dependencies and the services of
	// the process.
	Checks []Check
	// Version is the version of the program for /healthz.
	Version string
	// Events delivers the events that wake requests that wait for the status of a job; if it is nil, they poll.
	Events *nats.Conn
	// Log receives the log lines; nil discards them.
	Log *slog.Logger
}

// Server serves the HTTP API.
type Server struct {
	db         *schema.DB
	publisher  *events.Publisher
	verify     Verify
	classifier schema.ClassifierKind
	// model, modelHasPrice and estimate are the options with the same names.
	model         string
	modelHasPrice bool
	estimate      func(context.Context, schema.Job) (int64, schema.Usage, error)
	checks        []Check
	version       string
	log           *slog.Logger

	router  *chi.Mux
	api     huma.API
	handler http.Handler
	desk    *desk.Desk
	// crossOrigin refuses forms that another site has sent.
	crossOrigin *http.CrossOriginProtection
	changes     *changeReader
	audits      *auditVerifier

	// bodyTimeout is the constant with the same name, except in tests.
	bodyTimeout time.Duration

	statuses *statusReader

	// imports has an element for each running import, readings for each database that is read, and judging one while
	// a dry run judges mappings.
	imports, readings, judging chan struct{}
	// judgeWait is the constant with the same name, except in tests.
	judgeWait time.Duration
	// sealer is nil if passwords of data sources are not stored.
	sealer *introspect.Sealer

	inFlight sync.WaitGroup
	// stopping is closed when the server begins to stop, which ends every wait for a change.
	stopping chan struct{}
	stop     func()
}

// New returns a server that uses the database and publishes requested jobs with the publisher. It returns an error for
// options without Verify, or with a classifier that is not available.
func New(db *schema.DB, publisher *events.Publisher, opts Options) (*Server, error) {
	if opts.Verify == nil {
		return nil, errors.New("api: Options.Verify is required")
	}
	s := &Server{
		db:            db,
		publisher:     publisher,
		verify:        opts.Verify,
		classifier:    cmp.Or(opts.Classifier, schema.ClassifierRules),
		model:         opts.Model,
		modelHasPrice: opts.ModelHasPrice,
		estimate:      opts.Estimate,
		checks:        opts.Checks,
		version:       cmp.Or(opts.Version, "unknown"),
		log:           cmp.Or(opts.Log, slog.New(slog.DiscardHandler)),
		router:        chi.NewMux(),
		stopping:      make(chan struct{}),
		imports:       make(chan struct{}, maxImports),
		readings:      make(chan struct{}, maxReadings),
		judging:       make(chan struct{}, 1),
		crossOrigin:   http.NewCrossOriginProtection(),

		bodyTimeout: bodyTimeout,
		judgeWait:   judgeWait,
	}
	if !s.available(s.classifier) {
		return nil, fmt.Errorf("api: the classifier %s needs Options.Model", s.classifier)
	}
	var err error
	if s.desk, err = desk.New(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	if len(opts.Secret) > 0 {
		if s.sealer, err = introspect.NewSealer(opts.Secret); err != nil {
			return nil, err
		}
	}
	s.stop = sync.OnceFunc(func() { close(s.stopping) })
	s.statuses = &statusReader{
		read: s.readStatuses, conn: opts.Events, log: s.log, start: s.inFlight.Go, stopping: s.stopping,
		pollEvery: pollEvery, wake: make(chan struct{}, 1), waiters: map[string]map[*waiter]bool{},
	}
	s.changes = &changeReader{last: map[pageKey]*changeReading{}}
	s.audits = &auditVerifier{db: db, log: s.log, start: s.inFlight.Go, stopping: s.stopping}
	s.router.Use(middleware.GetHead)
	s.router.NotFound(s.notFound)
	s.router.MethodNotAllowed(s.methodNotAllowed)
	s.api = humachi.New(s.router, s.humaConfig())
	s.handler = s.logged(s.recovered(s.readable(s.router)))

	s.register()
	describeNulls(s.api.OpenAPI().Components.Schemas)
	addExamples(s.api.OpenAPI())
	return s, nil
}

// register adds the routes.
func (s *Server) register() {
	s.registerHealth()
	s.registerRegenerate()
	s.registerJobs()
	s.registerModelCalls()
	s.registerIntents()
	s.registerRetry()
	s.registerStatus()
	s.registerJobEvents()
	s.registerReports()
	s.registerImport()
	s.registerAttributes()
	s.registerDataSources()
	s.registerLiveSources()
	s.registerRemovals()
	s.registerMappings()
	s.registerExport()
	s.registerDecisions()
	s.registerReviews()
	s.registerDecisionFiles()
	s.registerAutoApproval()
	s.registerCarryOver()
	s.registerComparison()
	s.registerOpenAPI()
	s.registerPages()
}

// humaConfig disables defaults of huma: a documentation page that loads scripts from another server, links to schemas
// in every body, and a route for each schema.
func (s *Server) humaConfig() huma.Config {
	config := huma.DefaultConfig("pdeflow", apiVersion)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Formats = map[string]huma.Format{jsonType: jsonFormat(), "json": jsonFormat()}
	config.Transformers = []huma.Transformer{s.problemOfHuma}
	describeDocument(config.OpenAPI)
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"},
	}
	return config
}

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves the listener until the context ends. It then closes the listener, gives running requests ten
// seconds to finish, and returns when no goroutine of the server runs. Call it once.
func (s *Server) Run(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 10 * time.Second,
		// This is a timeout of the connection, because net/http reads the rest of a body before it sends the response.
		// It ends with the body, so it does not affect waiting and importing.
		ReadTimeout: s.bodyTimeout,
		// Longer than the longest wait for a change, and than an import.
		WriteTimeout:   5 * time.Minute,
		IdleTimeout:    2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		// Every request is logged, including OPTIONS *.
		DisableGeneralOptionsHandler: true,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-served:
		s.stop()
		if closing := server.Close(); closing != nil { // open connections outlive the listener
			s.log.Warn("close connections", "error", closing)
		}
		s.inFlight.Wait()
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}
	s.stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.log.Warn("running requests aborted", "error", err)
		err = server.Close() // cancels the contexts of the requests
		if err != nil {
			s.log.Warn("close connections", "error", err)
		}
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		s.log.Warn("serve http", "error", err)
	}
	s.inFlight.Wait()
	return nil
}

// route registers an operation for callers with the role, or for anyone if it is empty. The document lists the statuses
// in op.Errors in addition to those of every operation. problemOf turns an error of the handler into a problem. The
// middlewares of the operation run after the authorisation and before the body is read.
func route[I, O any](s *Server, role Role, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	// readBody enforces the limits: huma refuses a body of exactly the maximum size, and its time limit would also
	// apply to the handling of the request.
	op.MaxBodyBytes, op.BodyReadTimeout = cmp.Or(op.MaxBodyBytes, maxBody)+1, -1
	op.Middlewares = slices.Concat(huma.Middlewares{s.authorised(role)}, op.Middlewares, huma.Middlewares{s.readBody})
	op.Description = cmp.Or(op.Description, op.Summary+".")
	op.Security = []map[string][]string{}
	if role != "" {
		// Health checkers may add query parameters.
		op.RejectUnknownQueryParameters = true
		op.Security = []map[string][]string{{"bearer": {string(role)}}}
		op.Description += " Needs the role " + string(role) + "."
	}
	s.describeProblems(&op, role)
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(ctx, err)
		}
		return out, nil
	})
}
