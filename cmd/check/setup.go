package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A program is something outside of Go that tests need on the PATH.
type program struct {
	name   string
	debian string // packages that bring it
	mac    string // what to do on macOS
}

var programs = []program{
	{"gcc", "gcc libc6-dev", "run `xcode-select --install`"}, // for the race detector
	{"node", "nodejs", "run `brew install node`"},
	{"npm", "npm", "run `brew install node`"},
	{"clojure", "clojure", "run `brew install clojure/tools/clojure`"},
	{"chromium", "chromium", "install Chromium or Chrome and link its program as chromium"},
}

// oldestNode is what the pinned packages need.
const oldestNode = 20

// setup installs what the tests need and is not there: programs, then the
// packages that testdata/npm pins. It counts one for each.
func (c *checker) setup(ctx context.Context) (r result) {
	c.installPrograms(ctx, &r)
	if !c.look("node") || !c.look("npm") {
		return r
	}
	if err := c.checkNode(ctx); err != nil {
		r.fail("node", err.Error())
		return r
	}
	if err := c.installPackages(ctx); err != nil {
		r.fail("npm ci in testdata/npm", err.Error())
	} else {
		r.pass()
	}
	return r
}

func (c *checker) missing() (found []program) {
	for _, p := range programs {
		if !c.look(p.name) {
			found = append(found, p)
		}
	}
	return found
}

func (c *checker) installPrograms(ctx context.Context, r *result) {
	var aptErr error
	if missing := c.missing(); len(missing) > 0 {
		aptErr = c.apt(ctx, missing)
	}
	left := c.missing()
	r.passed += len(programs) - len(left)
	for _, p := range left {
		why := "it is needed and not on the PATH"
		if aptErr != nil {
			why += ": " + aptErr.Error()
		}
		r.fail(p.name, why+"\n"+p.fix(runtime.GOOS))
	}
}

// fix says what the user can do.
func (p program) fix(goos string) string {
	switch goos {
	case "darwin":
		return "on macOS " + p.mac
	case "linux":
		return "on Debian and Ubuntu: sudo apt-get install " + p.debian
	}
	return "install " + p.name + " and put it on the PATH, or use --quick"
}

// apt installs Debian packages as root or by sudo, with the lists that are
// there, and if that fails once more with new ones.
func (c *checker) apt(ctx context.Context, missing []program) error {
	if !c.look("apt-get") {
		return errors.New("there is no apt-get here to install it")
	}
	apt := []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qy",
		"-oDPkg::Lock::Timeout=120", "-oAcquire::Retries=2"}
	if os.Geteuid() != 0 {
		if !c.look("sudo") {
			return errors.New("apt-get needs root, and there is no sudo here")
		}
		apt = append([]string{"sudo", "-n"}, apt...)
	}
	with := func(args ...string) []string { return append(apt[1:len(apt):len(apt)], args...) }
	install := with("install", "--no-install-recommends")
	for _, p := range missing {
		install = append(install, strings.Fields(p.debian)...)
	}
	if _, err := c.output(ctx, nil, apt[0], install...); err == nil {
		return nil
	}
	updated, updateErr := c.output(ctx, nil, apt[0], with("update")...)
	text, err := c.output(ctx, nil, apt[0], install...)
	if err == nil {
		return nil
	}
	if updateErr != nil {
		text = updated + text
	}
	return fmt.Errorf("apt-get: %w\n%s", err, text)
}

func (c *checker) checkNode(ctx context.Context) error {
	text, err := c.output(ctx, nil, "node", "--version")
	if err != nil {
		return fmt.Errorf("node --version: %w\n%s", err, text)
	}
	text = strings.TrimSpace(text)
	major, _, _ := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		return fmt.Errorf("found node %s, need %d or later: see https://nodejs.org/en/download", text, oldestNode)
	}
	return nil
}

// installPackages runs npm ci unless the packages are those of the lock file:
// a stamp beside them, which npm ci removes first, says so. It tries twice,
// since it needs the network.
func (c *checker) installPackages(ctx context.Context) error {
	dir := filepath.Join(c.root, "testdata", "npm")
	want, err := stampOf(filepath.Join(dir, "package.json"), filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}
	stamp := filepath.Join(dir, "node_modules", ".installed")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return nil
	}
	ci := func() (string, error) {
		return c.output(ctx, nil, "npm", "--prefix", dir, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	}
	text, err := ci()
	if err != nil && ctx.Err() == nil {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
		text, err = ci()
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// stampOf is a hash over the contents of files.
func stampOf(files ...string) (string, error) {
	sum := sha256.New()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%d ", len(data))
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)) + "\n", nil
}
