package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sente-lite/sente-lite"

// mayImport says which packages of ours a package may import. "plugins/*" is
// any feature. A package that is not listed is not allowed to exist: whoever
// adds one decides here what it may know.
var mayImport = map[string][]string{
	"pipe":          {},
	"pipe/backbone": {},
	"pipe/pack":     {"pipe"},
	"pipe/journal":  {"pipe"},

	"pipe/transport": {"pipe"},
	"pipe/pipetest":  {"pipe", "pipe/backbone"},
	"pipe/chaos":     {"pipe"},

	"plugins":            {"pipe", "pipe/backbone"},
	"plugins/*":          {"pipe", "pipe/backbone", "plugins"},
	"plugins/proc":       {"pipe", "pipe/pack", "pipe/transport", "plugins"},
	"plugins/std":        {"plugins", "plugins/*"},
	"plugins/moduletest": {"pipe", "pipe/pipetest", "plugins", "plugins/proc"},

	"bridge/web":        {"pipe", "pipe/pack", "pipe/transport", "bridge/web/client"},
	"bridge/web/client": {},
	"bridge/child":      {"pipe", "pipe/transport"},
	"bridge/nrepl":      {"pipe", "pipe/transport"},
	"bridge/lsp":        {"pipe", "pipe/transport"},
	"bridge/pod":        {"pipe", "pipe/transport"},
	"bridge/relay":      {"pipe", "pipe/transport"},
	"bridge/blob":       {"pipe", "pipe/backbone"},
	"bridge/nats":       {"pipe/backbone"},

	"bb": {},

	"cmd/sente-lite": {"cmd/sente-lite/bench", "bb", "pipe", "pipe/backbone", "pipe/chaos", "pipe/journal", "pipe/pack", "pipe/transport",
		"plugins", "plugins/*", "plugins/proc", "plugins/std",
		"bridge/web", "bridge/child", "bridge/nrepl", "bridge/lsp", "bridge/pod", "bridge/relay", "bridge/blob",
		"bridge/nats"},
	"cmd/sente-lite/bench": {"pipe", "pipe/pack", "pipe/transport", "bridge/web", "bridge/child"},

	"cmd/check": {"bb", "bridge/web/client"},
}

// testsMayImport says what tests may import besides, by the top folder they
// are in. Neither of bridge and plugins is listed for the other.
var testsMayImport = map[string][]string{
	"pipe":    {"pipe", "pipe/backbone", "pipe/chaos", "pipe/journal", "pipe/pack", "pipe/transport", "pipe/pipetest"},
	"bridge":  {"pipe", "pipe/backbone", "pipe/chaos", "pipe/pack", "pipe/transport", "pipe/pipetest"},
	"plugins": {"pipe", "pipe/backbone", "pipe/chaos", "pipe/pipetest", "plugins", "plugins/proc", "plugins/moduletest"},
	"cmd":     {"pipe/pipetest"},
}

// livesIn says which packages may import a library, by the library's prefix.
var livesIn = map[string][]string{
	"github.com/alecthomas/kong":      {"cmd/sente-lite"},
	"github.com/gobwas/":              {"pipe/transport"},
	"olympos.io/encoding/edn":         {"pipe/pack"},
	"github.com/vmihailenco/msgpack/": {"pipe/pack"},
	"github.com/klauspost/compress/":  {"pipe/pack"},
	"github.com/andybalholm/brotli":   {"pipe/pack"},
	"github.com/sourcegraph/jsonrpc2": {"bridge/lsp"},
	"github.com/hashicorp/go-plugin":  {"plugins/proc"},
	"github.com/nats-io/":             {"bridge/nats"},
	"github.com/fsnotify/fsnotify":    {"cmd/sente-lite"},
	"golang.org/x/sys/":               {"pipe/transport", "bridge/child", "plugins/proc", "cmd/sente-lite"},

	// For tests only, and for the suites that only tests import.
	"github.com/rogpeppe/go-internal/": {},
	"go.uber.org/goleak":               {"pipe/pipetest", "plugins/moduletest"},
	"pgregory.net/rapid":               {"pipe/pipetest", "plugins/moduletest"},
	"github.com/coder/websocket":       {},
	"github.com/lxzan/gws":             {},
}

// inTests are the libraries that tests may use anywhere but in cmd/check: the
// helpers above, and what our own reading and writing is compared with.
var inTests = []string{
	"github.com/rogpeppe/go-internal/", "go.uber.org/goleak", "pgregory.net/rapid",
	"github.com/coder/websocket", "github.com/lxzan/gws",
	"olympos.io/encoding/edn", "github.com/vmihailenco/msgpack/", "github.com/klauspost/compress/",
	"github.com/andybalholm/brotli",
}

// goPackage is what go list says about a package.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// TestImports compares the imports of every package, on every system and
// behind every tag, with the tables above.
func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			pkgs := listPackages(t, goos)
			if len(pkgs) == 0 {
				t.Fatal("go list found no package")
			}
			for _, p := range pkgs {
				for _, wrong := range wrongImports(p) {
					t.Error(wrong)
				}
			}
		})
	}
}

// TestImportsFinds shows that the comparison finds what it is there for.
func TestImportsFinds(t *testing.T) {
	for _, tt := range []struct {
		pkg   string
		path  string
		test  bool
		right bool
	}{
		{pkg: "pipe", path: "net/http", right: true},
		{pkg: "pipe", path: "golang.org/x/sys/unix"},
		{pkg: "pipe", path: module + "/pipe/pack"},
		{pkg: "pipe", path: module + "/pipe/pack", test: true, right: true},
		{pkg: "pipe", path: "C"},
		{pkg: "pipe/backbone", path: module + "/pipe"},
		{pkg: "pipe/pack", path: "olympos.io/encoding/edn", right: true},
		{pkg: "pipe/pack", path: module + "/pipe/transport"},
		{pkg: "pipe/transport", path: "github.com/gobwas/ws", right: true},
		{pkg: "pipe/transport", path: "github.com/coder/websocket"},
		{pkg: "pipe/transport", path: "github.com/coder/websocket", test: true, right: true},
		{pkg: "bridge/web", path: "github.com/gobwas/ws"},
		{pkg: "bridge/web", path: "github.com/gobwas/ws", test: true},
		{pkg: "bridge/web", path: module + "/bridge/nrepl"},
		{pkg: "bridge/web", path: module + "/plugins/presence", test: true},
		{pkg: "pipe/pipetest", path: "go.uber.org/goleak", right: true},
		{pkg: "pipe/transport", path: "go.uber.org/goleak"},
		{pkg: "bridge/web", path: module + "/pipe/pipetest"},
		{pkg: "bridge/new", path: "net"},
		{pkg: "plugins/presence", path: module + "/plugins", right: true},
		{pkg: "plugins/presence", path: module + "/plugins/locks"},
		{pkg: "plugins/presence", path: module + "/plugins/locks", test: true},
		{pkg: "plugins/presence", path: module + "/plugins/moduletest"},
		{pkg: "plugins/presence", path: module + "/plugins/moduletest", test: true, right: true},
		{pkg: "plugins/presence", path: module + "/bridge/web", test: true},
		{pkg: "plugins/presence/deep", path: "net"},
		{pkg: "plugins/std", path: module + "/plugins/presence", right: true},
		{pkg: "plugins/std", path: module + "/plugins/proc"},
		{pkg: "cmd/sente-lite", path: "github.com/alecthomas/kong", right: true},
		{pkg: "cmd/sente-lite", path: module + "/plugins/presence", right: true},
		{pkg: "cmd/sente-lite", path: module + "/pipe/pipetest"},
		{pkg: "bb", path: module + "/pipe"},
		{pkg: "bridge/web", path: module + "/bb"},
		{pkg: "cmd/check", path: module + "/bb", right: true},
		{pkg: "cmd/check", path: module + "/pipe"},
		{pkg: "cmd/check", path: "github.com/alecthomas/kong"},
		{pkg: "cmd/check", path: "pgregory.net/rapid", test: true},
		{pkg: "pipe", path: module + "/cmd/sente-lite", test: true},
		{pkg: "pipe", path: "example.org/unknown", test: true},
	} {
		p := goPackage{ImportPath: module + "/" + tt.pkg}
		if tt.test {
			p.XTestImports = []string{tt.path}
		} else {
			p.Imports = []string{tt.path}
		}
		if wrong := wrongImports(p); (len(wrong) == 0) != tt.right {
			t.Errorf("%s imports %s (in a test: %v): found %q, want right: %v", tt.pkg, tt.path, tt.test, wrong, tt.right)
		}
	}
}

// listPackages asks go list, which also lists packages that do not compile.
func listPackages(t *testing.T, goos string) (pkgs []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-tags=peers,soak,bb",
		"-json=ImportPath,Imports,TestImports,XTestImports", module+"/...")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
}

// wrongImports says what is wrong with p's imports.
func wrongImports(p goPackage) (wrong []string) {
	pkg := strings.TrimPrefix(p.ImportPath, module+"/")
	allowed, ok := mayImport[tableKey(pkg)]
	if !ok {
		return []string{pkg + " is not in the table: add it to mayImport, with what it may know"}
	}
	check := func(paths []string, inTest bool) {
		for _, path := range paths {
			if why := wrongImport(pkg, path, allowed, inTest); why != "" {
				wrong = append(wrong, why)
			}
		}
	}
	check(p.Imports, false)
	check(p.TestImports, true)
	check(p.XTestImports, true)
	return wrong
}

// tableKey is a package's key in mayImport.
func tableKey(pkg string) string {
	if _, ok := mayImport[pkg]; !ok && path.Dir(pkg) == "plugins" {
		return "plugins/*"
	}
	return pkg
}

func wrongImport(pkg, path string, allowed []string, inTest bool) string {
	what := pkg
	if inTest {
		what = "a test of " + pkg
		top, _, _ := strings.Cut(pkg, "/")
		if pkg != "cmd/check" {
			allowed = slices.Concat(allowed, testsMayImport[top])
		}
	}
	if ours, ok := strings.CutPrefix(path, module+"/"); ok {
		if ours == pkg && inTest || slices.Contains(allowed, tableKey(ours)) {
			return ""
		}
		return fmt.Sprintf("%s imports %s; of ours it may import %q", what, ours, allowed)
	}
	if path == "C" {
		return what + " imports C; the binary is built without cgo"
	}
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	if inTest && pkg != "cmd/check" && slices.ContainsFunc(inTests, under(path)) {
		return ""
	}
	for library, places := range livesIn {
		if under(path)(library) {
			if slices.Contains(places, pkg) {
				return ""
			}
			return fmt.Sprintf("%s imports %s, which may be imported in %q only", what, path, places)
		}
	}
	return fmt.Sprintf("%s imports %s, which has no place: add it to livesIn", what, path)
}

func under(path string) func(library string) bool {
	return func(library string) bool {
		library = strings.TrimSuffix(library, "/")
		return path == library || strings.HasPrefix(path, library+"/")
	}
}
