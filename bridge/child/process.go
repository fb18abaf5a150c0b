package child

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/sente-lite/sente-lite/pipe"
)

// A process is a program that has been started, and everything beneath it.
type process struct {
	pid                   int
	stdin, stdout, stderr *os.File // our ends

	exit   exit          // how the program has ended, once exited is closed
	exited chan struct{} // the program has ended; what it left behind may live on
	gone   chan struct{} // nothing is left

	terminate func() // asks it, and its process group, to end
	kill      func() // ends it and everything beneath it
	abandon   func() // gives up on whoever cannot be killed
}

// An exit is how a process has ended.
type exit struct {
	code   int
	signal string // "" where it ended by itself
}

func (e exit) String() string {
	if e.signal != "" {
		return e.signal
	}
	return "exit code " + strconv.Itoa(e.code)
}

func (e exit) failed() bool { return e.code != 0 || e.signal != "" }

// A command is what exactly is to be run.
type command struct {
	path string
	args []string // the first is the name it was called by
	dir  string
	env  []string
}

// resolve finds the program of a Spec, in the environment and folder that it will
// run in.
func (s *Spec) resolve(environ []string) (command, *pipe.Error) {
	c := command{args: s.Command, dir: s.Dir}
	fail := func(code string, category pipe.Category, format string, a ...any) (command, *pipe.Error) {
		return c, &pipe.Error{Category: category, Code: code, Msg: fmt.Sprintf(format, a...)}
	}
	if c.dir != "" {
		switch info, err := os.Stat(c.dir); {
		case err != nil:
			return fail("bad-dir", pipe.NotFound, ":dir %q cannot be entered: %v", c.dir, plain(err))
		case !info.IsDir():
			return fail("bad-dir", pipe.Incorrect, ":dir %q is no folder", c.dir)
		}
	}
	c.env = environment(environ, s.Env, c.dir)
	path := ""
	for _, pair := range c.env {
		if v, ok := strings.CutPrefix(pair, "PATH="); ok {
			path = v
		}
	}
	var err error
	if c.path, err = lookPath(s.Command[0], c.dir, path); err == nil {
		return c, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return fail("not-executable", pipe.Forbidden, "the program %q cannot be executed: %v", s.Command[0], plain(err))
	}
	where := "in the folders of PATH"
	if strings.ContainsRune(s.Command[0], filepath.Separator) {
		where = "there"
	}
	return fail("no-such-program", pipe.NotFound, "the program %q is not found: %v %s", s.Command[0], plain(err), where)
}

// plain leaves out what the message has already.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// environment is what we have inherited less what is meant for us, and env.
func environment(environ []string, env map[string]string, dir string) []string {
	kept := make([]string, 0, len(environ)+len(env)+1)
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if _, said := env[name]; said || strings.HasPrefix(name, "BABASHKA_POD") || strings.HasPrefix(name, "SENTE_LITE_") {
			continue
		}
		if name == "PWD" && dir != "" {
			continue
		}
		kept = append(kept, pair)
	}
	if _, said := env["PWD"]; dir != "" && !said {
		if abs, err := filepath.Abs(dir); err == nil {
			kept = append(kept, "PWD="+abs)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		kept = append(kept, name+"="+env[name])
	}
	return kept
}

// lookPath finds a program as a shell in dir would.
func lookPath(name, dir, path string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		abs, err := filepath.Abs(name)
		if err != nil {
			return "", err
		}
		return executable(abs)
	}
	refused := error(fs.ErrNotExist)
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		abs, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			continue
		}
		found, err := executable(abs)
		if err == nil {
			return found, nil
		}
		if errors.Is(err, fs.ErrPermission) {
			refused = err
		}
	}
	return "", refused
}

// executable returns the file that path means.
func executable(path string) (string, error) {
	tries := []string{path}
	if runtime.GOOS == "windows" && filepath.Ext(path) == "" {
		tries = []string{path + ".exe", path + ".com", path + ".bat", path + ".cmd"}
	}
	var last error
	for _, path := range tries {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			last = err
		case info.IsDir():
			last = fmt.Errorf("it is a folder: %w", fs.ErrPermission)
		case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
			last = fmt.Errorf("its mode is %v: %w", info.Mode(), fs.ErrPermission)
		default:
			return path, nil
		}
	}
	return "", last
}

// pipes are a program's three, and the ends that are ours.
type pipes struct {
	stdin, stdout, stderr *os.File // the program's
	ours                  [3]*os.File
}

func newPipes() (p pipes, err error) {
	ends := []struct {
		r, w **os.File
	}{{&p.stdin, &p.ours[0]}, {&p.ours[1], &p.stdout}, {&p.ours[2], &p.stderr}}
	for _, e := range ends {
		if *e.r, *e.w, err = os.Pipe(); err != nil {
			p.closeTheirs()
			p.closeOurs()
			return p, err
		}
	}
	return p, nil
}

func (p *pipes) closeTheirs() { closeAll(p.stdin, p.stdout, p.stderr) }
func (p *pipes) closeOurs()   { closeAll(p.ours[:]...) }

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}
