package main_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/nats-io/nats-server/v2/server"
)

// composeSecrets returns the variables that docker-compose.yml requires, each with a distinct value.
func composeSecrets() types.Mapping {
	env := types.Mapping{
		"PDEFLOW_DATABASE_PASSWORD": "pdatabase",
		"PDEFLOW_AUTH_SECRET":       "pauth",
	}
	for _, user := range natsUsers() {
		env[natsPasswordVariable(user)] = natsPassword(user)
	}
	return env
}

// loadCompose reads docker-compose.yml as docker compose does, with every profile and only these variables.
func loadCompose(t *testing.T, env types.Mapping) (*types.Project, error) {
	t.Helper()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	details := types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: env,
	}
	return loader.LoadWithContext(t.Context(), details, loader.WithProfiles([]string{"*"}))
}

func mustLoadCompose(t *testing.T) *types.Project {
	t.Helper()
	project, err := loadCompose(t, composeSecrets())
	if err != nil {
		t.Fatalf("docker-compose.yml: got %v, want nil", err)
	}
	return project
}

func TestComposeNamesAMissingOrEmptySecret(t *testing.T) {
	t.Parallel()
	for variable := range composeSecrets() {
		unset, empty := composeSecrets(), composeSecrets()
		delete(unset, variable)
		empty[variable] = ""
		for _, env := range []types.Mapping{unset, empty} {
			if _, err := loadCompose(t, env); err == nil || !strings.Contains(err.Error(), variable) {
				t.Errorf("%s unset or empty: got error %v, want one that names it", variable, err)
			}
		}
	}
}

func TestEnvExampleListsTheVariablesThatComposeRequires(t *testing.T) {
	t.Parallel()
	example := readFile(t, ".env.example")
	var listed []string
	for line := range strings.Lines(example) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(line, "#") {
			listed = append(listed, name)
			if value != "" {
				t.Errorf(".env.example: got a value for %s, want none", name)
			}
		}
	}
	demanded := make([]string, 0, len(listed))
	for name := range composeSecrets() {
		demanded = append(demanded, name)
	}
	slices.Sort(listed)
	slices.Sort(demanded)
	if !slices.Equal(listed, demanded) {
		t.Errorf(".env.example: got %v,\nwant %v", listed, demanded)
	}
}

func TestComposeRunsEachServiceOnceAsItsOwnUser(t *testing.T) {
	t.Parallel()
	project := mustLoadCompose(t)
	var ran []string
	for name, service := range project.Services {
		if !slices.Contains(service.Command, "serve") {
			continue
		}
		ran = append(ran, name)
		if i := slices.Index(service.Command, "--services"); i < 0 || i+1 >= len(service.Command) ||
			service.Command[i+1] != name {
			t.Errorf("services of container %s: got %v, want exactly its own", name, service.Command)
		}
		checkNATSUser(t, service, name)
	}
	slices.Sort(ran)
	if want := slices.Sorted(slices.Values(services())); !slices.Equal(ran, want) {
		t.Errorf("containers that serve: got %v, want %v", ran, want)
	}
	checkNATSUser(t, project.Services["operator"], "operator")
	for _, user := range natsUsers() {
		if got := environment(project.Services["nats"], natsPasswordVariable(user)); got != natsPassword(user) {
			t.Errorf("nats: got %s=%q, want %q", user, got, natsPassword(user))
		}
	}
}

// checkNATSUser checks that the container has the name and password of this NATS user, and of no other.
func checkNATSUser(t *testing.T, container types.ServiceConfig, user string) {
	t.Helper()
	want := fmt.Sprintf("nats://%s:%s@nats:4222", user, natsPassword(user))
	if got := environment(container, "NATS_URL"); got != want {
		t.Errorf("NATS_URL of container %s: got %q, want %q", container.Name, got, want)
	}
	for name, value := range container.Environment.Resolve(func(string) (string, bool) { return "", false }) {
		for _, other := range natsUsers() {
			if other != user && value != nil && strings.Contains(*value, natsPassword(other)) {
				t.Errorf("container %s: got the password of %s in %s, want only its own", container.Name, other, name)
			}
		}
	}
}

func environment(container types.ServiceConfig, name string) string {
	if value := container.Environment[name]; value != nil {
		return *value
	}
	return ""
}

// The command lines that containers may have, from the program's contract.
func TestComposeUsesCommandLinesOfTheContract(t *testing.T) {
	t.Parallel()
	understood := regexp.MustCompile(`^(serve( --(services|listen|health-listen) [a-z0-9.:]+)+|migrate up|check)$`)
	for name, container := range mustLoadCompose(t).Services {
		if line := strings.Join(container.Command, " "); container.Image == programImage &&
			!understood.MatchString(line) {
			t.Errorf("%s: got the command pdeflow %s, want one that pdeflow has", name, line)
		}
		if len(container.Entrypoint) > 0 {
			t.Errorf("%s: got the entrypoint %v, want that of the image", name, container.Entrypoint)
		}
	}
}

func TestComposeStartsServicesAfterTheirDependencies(t *testing.T) {
	t.Parallel()
	project := mustLoadCompose(t)
	needs := func(container, other, condition string) {
		if got := project.Services[container].DependsOn[other].Condition; got != condition {
			t.Errorf("condition of %s on %s: got %q, want %q", container, other, got, condition)
		}
	}
	needs("migrate", "postgres", types.ServiceConditionHealthy)
	for _, user := range natsUsers() {
		needs(user, "migrate", types.ServiceConditionCompletedSuccessfully)
		needs(user, "nats", types.ServiceConditionHealthy)
	}
	for _, name := range []string{"postgres", "nats"} {
		if check := project.Services[name].HealthCheck; check == nil || len(check.Test) == 0 {
			t.Errorf("%s: got no health check, want one, as others wait for it", name)
		}
	}
}

// programImage is the image that the repository's Dockerfile builds.
const programImage = "pdeflow:local"

// Builds that export the same tag at the same time fail with "already exists" on a machine that does not have the image
// yet.
func TestComposeBuildsTheImageOnceBeforeAnyServiceUsesIt(t *testing.T) {
	t.Parallel()
	project := mustLoadCompose(t)
	builders := 0
	for name, container := range project.Services {
		if container.Image != programImage {
			continue
		}
		if container.Build != nil {
			builders++
			if name != "migrate" || container.PullPolicy != types.PullPolicyBuild {
				t.Errorf("pull policy of %s: got %q, want migrate to build the image, always", name,
					container.PullPolicy)
			}
			continue
		}
		if container.PullPolicy != types.PullPolicyNever {
			t.Errorf("%s: got pull policy %q, want never, as no registry has %s", name, container.PullPolicy,
				programImage)
		}
		if _, waits := container.DependsOn["migrate"]; !waits {
			t.Errorf("%s: got no dependency on migrate, want one, as that builds its image", name)
		}
	}
	if builders != 1 {
		t.Errorf("got %d services that build %s, want 1", builders, programImage)
	}
}

func TestComposeChecksTheHealthOfEachService(t *testing.T) {
	t.Parallel()
	project := mustLoadCompose(t)
	for _, name := range services() {
		container := project.Services[name]
		flag := "--health-listen"
		if name == "api" {
			flag = "--listen"
		}
		i := slices.Index(container.Command, flag)
		if i < 0 || container.HealthCheck == nil {
			t.Errorf("%s: got no %s or no health check, want both", name, flag)
			continue
		}
		_, port, err := net.SplitHostPort(container.Command[i+1])
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"CMD", "/usr/local/bin/pdeflow", "ready", "--server", "http://127.0.0.1:" + port}
		if got := []string(container.HealthCheck.Test); !slices.Equal(got, want) {
			t.Errorf("%s: got health check %v, want %v", name, got, want)
		}
		if !strings.Contains(readFile(t, "cmd/pdeflow/Dockerfile"), `ENTRYPOINT ["`+want[1]+`"]`) {
			t.Errorf("image: got no entrypoint %s, want it", want[1])
		}
	}
}

func TestComposePublishesOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	published := 0
	for name, container := range mustLoadCompose(t).Services {
		if container.NetworkMode != "" {
			t.Errorf("%s: got network mode %q, want none, as it publishes every port", name, container.NetworkMode)
		}
		for _, port := range container.Ports {
			published++
			if ip := net.ParseIP(port.HostIP); ip == nil || !ip.IsLoopback() {
				t.Errorf("address of %s for port %s: got %q, want loopback", name, port.Published, port.HostIP)
			}
		}
	}
	if published == 0 {
		t.Error("got no published port, want the API's")
	}
}

// A secret changes when every variable does, unless it is written in the file.
func TestComposeContainsNoSecret(t *testing.T) {
	t.Parallel()
	other := composeSecrets()
	for name := range other {
		other[name] += "other"
	}
	changed, err := loadCompose(t, other)
	if err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`PASSWORD|SECRET|TOKEN|KEY|CREDS|_URL$`)
	seen := 0
	for name, container := range mustLoadCompose(t).Services {
		for variable := range container.Environment {
			if !secret.MatchString(variable) {
				continue
			}
			seen++
			if environment(container, variable) == environment(changed.Services[name], variable) {
				t.Errorf("%s: got the value of %s in the file, want that of the environment", name, variable)
			}
		}
	}
	if seen == 0 {
		t.Error("got no secrets, want some")
	}
}

func TestComposeStartsNATSWithTheRepositorysConfiguration(t *testing.T) {
	setNATSEnvironment(t)
	container := mustLoadCompose(t).Services["nats"]
	mounted := slices.IndexFunc(container.Volumes, func(v types.ServiceVolumeConfig) bool {
		return filepath.Base(v.Source) == "nats.conf" && v.ReadOnly && slices.Contains(container.Command, v.Target)
	})
	if mounted < 0 {
		t.Fatalf("nats.conf: got no read-only mount where %v reads it, want one", container.Command)
	}
	args := slices.Clone(container.Command[1:])
	args[slices.Index(args, container.Volumes[mounted].Target)] = filepath.Join(repository, "nats.conf")
	opts, err := server.ConfigureOptions(flag.NewFlagSet("nats-server", flag.ContinueOnError), args, nil, nil, nil)
	if err != nil {
		t.Fatalf("nats-server %v: got %v, want nil", args, err)
	}
	if opts.Host != "0.0.0.0" || opts.HTTPHost != "127.0.0.1" {
		t.Errorf("got clients at %s, monitoring at %s, want clients from the other containers, monitoring from its own",
			opts.Host, opts.HTTPHost)
	}
	if want := "nats:" + moduleVersion(t, "github.com/nats-io/nats-server/v2") + "-alpine"; container.Image != want {
		t.Errorf("image: got %s, want %s, the version that the tests embed", container.Image, want)
	}
}

func TestComposePinsItsImages(t *testing.T) {
	t.Parallel()
	for name, container := range mustLoadCompose(t).Services {
		if container.Image != programImage && !pinned(container.Image) {
			t.Errorf("image of %s: got %s, want a version with a patch number", name, container.Image)
		}
		if container.Build == nil {
			continue
		}
		dockerfile := filepath.Join(container.Build.Context, container.Build.Dockerfile)
		if info, err := os.Stat(dockerfile); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: got no file %s to build it from (%v), want one", name, dockerfile, err)
		}
	}
}

// pinned reports whether an image stays the same when it is pulled again: by digest, or by a version down to the patch
// (the minor one for PostgreSQL, which has two numbers) with the system below it.
func pinned(image string) bool {
	return regexp.MustCompile(`@sha256:[0-9a-f]{64}$|:\d+\.\d+(\.\d+)?-alpine[0-9.]*$`).MatchString(image)
}

func TestDockerfileBuildsAStaticProgramForANonRootUser(t *testing.T) {
	t.Parallel()
	dockerfile := readFile(t, "cmd/pdeflow/Dockerfile")
	froms := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(dockerfile, -1)
	if len(froms) != 2 {
		t.Fatalf("stages: got %d, want one that builds and one that runs", len(froms))
	}
	for _, from := range froms {
		if !pinned(from[1]) {
			t.Errorf("FROM: got %s, want a pinned image", from[1])
		}
	}
	if last := froms[1][1]; !strings.Contains(last, "/static-") || !strings.Contains(last, ":nonroot@") {
		t.Errorf("image of the program: got %s, want a static image with a user that is not root", last)
	}
	for _, want := range []string{
		"CGO_ENABLED=0 ", " -trimpath ", "\nARG VERSION=", " -X main.release=${VERSION}\"", " ./cmd/pdeflow\n",
	} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("Dockerfile: got no %q, want it", want)
		}
	}
}

// A directory that .dockerignore excludes is missing from the image, which only a build of the image would reveal.
func TestDockerignoreIncludesPackagesAndExcludesSecrets(t *testing.T) {
	t.Parallel()
	var passes []string
	for line := range strings.Lines(readFile(t, ".dockerignore")) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			passes = append(passes, name)
		}
	}
	for _, dir := range goDirectories(t) {
		if top, _, _ := strings.Cut(dir, "/"); !slices.Contains(passes, top) {
			t.Errorf(".dockerignore: got %s left out of the image, want it in", dir)
		}
	}
	for _, secret := range []string{".env", ".git", "."} {
		if slices.Contains(passes, secret) {
			t.Errorf(".dockerignore: got %s in the image, want it left out", secret)
		}
	}
	if !strings.Contains(readFile(t, ".dockerignore"), "\n*\n") {
		t.Error(".dockerignore does not keep out what it does not name")
	}
}
