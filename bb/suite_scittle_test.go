//go:build peers

package bb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// scittle runs a suite in a page of Chromium's, which loads the bundle from the
// server that it then talks to.
func scittle(t *testing.T, tr tree) *log {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), suiteTime, fmt.Errorf("it was ended after %v", suiteTime))
	defer cancel()
	url := serve(t, ctx, page(t, tr))
	l := &log{}
	rest, err := browse(t, ctx, url, func(text string) (done bool) {
		for line := range strings.Lines(text) {
			l.take(strings.TrimSuffix(line, "\n") + "\n")
		}
		return l.ended
	})
	l.other.Write(rest)
	l.finish(err)
	return l
}

// browse opens a page and gives what its console says to take, until that has
// enough. It returns what the page says afterwards.
func browse(t *testing.T, ctx context.Context, url string, take func(text string) (done bool)) (rest []byte, err error) {
	t.Helper()
	driver := exec.CommandContext(ctx, "node", absolute(t, "../testdata/e2e/browser.mjs"))
	driver.Stderr = os.Stderr
	driver.WaitDelay = 5 * time.Second
	stdin, stdout := pipes(t, driver)
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	for done := false; !done && err == nil; {
		line, readErr := lines.ReadBytes('\n')
		if readErr != nil {
			err = fmt.Errorf("the browser has ended: %w", readErr)
			break
		}
		var said struct {
			Ready            bool
			Log, Text, Error string
		}
		err = json.Unmarshal(line, &said)
		switch {
		case err != nil:
		case said.Ready:
			fmt.Fprintf(stdin, "{\"id\": 1, \"do\": \"open\", \"page\": \"suite\", \"url\": %q}\n", url)
		case said.Error != "":
			err = fmt.Errorf("the page: %s", said.Error)
		case said.Log != "":
			done = take(said.Text)
			if strings.Contains(said.Text, "Scittle error") {
				err = errors.New("a script of the page's cannot be evaluated")
				// What is wrong with it comes in the next lines.
				io.WriteString(stdin, "{\"id\": 2, \"do\": \"eval\", \"page\": \"suite\", \"js\": \"2\"}\n")
			}
		}
	}
	stdin.Close()
	rest, _ = io.ReadAll(lines)
	if waitErr := driver.Wait(); err == nil {
		err = waitErr
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return rest, err
}

func pipes(t *testing.T, cmd *exec.Cmd) (io.WriteCloser, io.Reader) {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	return stdin, stdout
}

// page makes a folder of the page and its scripts, in the order in which they
// require each other.
func page(t *testing.T, tr tree) string {
	t.Helper()
	here := os.DirFS(".")
	have := &bundler{files: here, roots: []string{"src"}, platform: OnScittle, follow: isOurs}
	for _, name := range []string{"sente-lite.core", "sente-lite.page-more"} {
		if err := have.add(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	b := &bundler{files: here, roots: append([]string{"test/scittle"}, tr.roots...), platform: OnScittle, loaded: have.loaded}
	b.follow = func(name string) bool {
		_, _, err := b.find(name)
		return err == nil
	}
	for _, name := range append([]string{"suite"}, tr.namespaces(t, "")...) {
		if err := b.add(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("scittle.js", scittleJS(t))
	html := "<!doctype html>\n<meta charset=\"utf-8\">\n<link rel=\"icon\" href=\"data:,\">\n<script src=\"scittle.js\"></script>\n" +
		"<script type=\"application/x-scittle\" src=\"/sente-lite.cljs\"></script>\n" +
		"<script type=\"application/x-scittle\" src=\"/sente-lite-more.cljs\"></script>\n"
	for _, f := range b.loaded[len(have.loaded):] {
		src, err := fs.ReadFile(here, f.file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.ReplaceAll(f.file, "/", "-")
		write(name, src)
		html += fmt.Sprintf("<script type=\"application/x-scittle\" src=\"%s\"></script>\n", name)
	}
	html += "<script type=\"application/x-scittle\">\n" + tr.program(t, "", "cljs.test", "") + "\n</script>\n"
	write("index.html", []byte(html))
	return dir
}

func scittleJS(t *testing.T) []byte {
	t.Helper()
	js, err := os.ReadFile("../testdata/npm/node_modules/scittle/dist/scittle.js")
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// serve runs the page's host until the test ends: a script on nbb, which serves
// the folder and does what only a script can. It returns the page's address.
func serve(t *testing.T, ctx context.Context, dir string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, "node", absolute(t, "../testdata/npm/node_modules/nbb/cli.js"),
		"--classpath", absolute(t, "src")+":"+absolute(t, "test"), absolute(t, "test/matrix_host.cljs"), dir)
	cmd.Env = append(os.Environ(), "SENTE_LITE_BIN="+binary(t))
	cmd.WaitDelay = 5 * time.Second
	cmd.Stderr = os.Stderr
	stdin, stdout := pipes(t, cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	host, ok := strings.CutPrefix(strings.TrimSpace(line), "ws://")
	if err != nil || !ok {
		t.Fatalf("the page's host: %v, %q", err, line)
	}
	return "http://" + host + "/?host=ws://" + host
}
