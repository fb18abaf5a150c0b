package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/sente-lite/sente-lite/pipe"
)

// The files of examples, and the Clojure library that they use, are system's
// Library:
//
//	examples/NAME/README.md, server.cljs, pages/…
//	src/sente_lite/…
type exampleCommand struct {
	List exampleList `cmd:"" help:"List the examples."`
	Run  exampleRun  `cmd:"" help:"Run one, or write it to a folder to start from."`
}

type exampleList struct{ formFlags }

type exampleRun struct {
	Name string `arg:"" help:"The example."`
	Dir  string `placeholder:"DIR" help:"Write it there, and do not run it."`
	formFlags
}

// An example is one of the folder.
type example struct {
	name  string
	title string // the first line of its README
	about string // what follows it, up to the next heading
}

// examplesIn lists the examples of a library, in the order of their names.
func examplesIn(library fs.FS) (all []example, err error) {
	if library == nil {
		return nil, &pipe.Error{Category: pipe.Unsupported, Code: "no-examples", Msg: "this binary was built without the examples",
			Hint: "build it from the whole repository"}
	}
	entries, err := fs.ReadDir(library, "examples")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		text, err := fs.ReadFile(library, path.Join("examples", e.Name(), "README.md"))
		if err != nil {
			continue // a folder of something else
		}
		title, rest, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		about, _, _ := strings.Cut(rest, "\n#")
		title = strings.TrimPrefix(strings.TrimSpace(strings.TrimLeft(title, "# ")), e.Name()+": ")
		all = append(all, example{e.Name(), title, strings.TrimSpace(about)})
	}
	return all, nil
}

func (c *exampleList) run(sys system, p *printer) error {
	all, err := examplesIn(sys.Library)
	if err != nil {
		return err
	}
	b := []byte("[")
	for _, e := range all {
		b = pipe.AppendString(append(b, "{:name "...), e.name)
		b = append(pipe.AppendString(append(b, " :title "...), e.title), "} "...)
	}
	return p.value(append(b, ']'), func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, e := range all {
			fmt.Fprintf(t, "%s\t%s\n", e.name, e.title)
		}
		_ = t.Flush() // to memory
	})
}

func (c *exampleRun) run(sys system, p *printer) error {
	all, err := examplesIn(sys.Library)
	if err != nil {
		return err
	}
	var chosen *example
	var names []string
	for _, e := range all {
		names = append(names, e.name)
		if e.name == c.Name {
			chosen = &e
		}
	}
	if chosen == nil {
		hint := "there are " + strings.Join(names, ", ")
		if near := pipe.Nearest(c.Name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		return misuse(hint, "there is no example %s", quoted(c.Name))
	}
	if c.Dir != "" {
		return c.write(sys.Library, p)
	}
	dir, err := os.MkdirTemp("", "sente-lite-"+c.Name+"-") // 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeExample(sys.Library, c.Name, dir); err != nil {
		return err
	}
	has := func(file string) bool {
		_, err := fs.Stat(sys.Library, path.Join("examples", c.Name, file))
		return err == nil
	}
	command, err := runtimeFor(dir, has("deps.edn") && !has("bb.edn"))
	if err != nil {
		return err
	}
	advice, err := addScittle(dir)
	if err != nil {
		return err
	}
	about := chosen.title + "\n\n" + chosen.about
	if advice != "" {
		about += "\n\n" + advice
	}
	fmt.Fprintf(sys.Stderr, "\n%s\n\nRun with %s. Ctrl-C ends it; --dir DIR writes it out.\n\n", about, filepath.Base(command[0]))
	return runScript(sys, dir, command)
}

// write is --dir.
func (c *exampleRun) write(library fs.FS, p *printer) error {
	if entries, err := os.ReadDir(c.Dir); err == nil && len(entries) > 0 {
		return misuse("choose another folder, or empty it", "--dir %s has files in it already", quoted(c.Dir))
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return cannotWrite(c.Dir, err)
	}
	if err := writeExample(library, c.Name, c.Dir); err != nil {
		return cannotWrite(c.Dir, err)
	}
	return p.value(append(pipe.AppendString([]byte("{:dir "), c.Dir), '}'), func(w io.Writer) {
		fmt.Fprintf(w, "written to %s; its README.md says how it goes on\n", c.Dir)
	})
}

func cannotWrite(dir string, err error) error {
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return &pipe.Error{Category: pipe.Unavailable, Code: "cannot-write", Msg: fmt.Sprintf("the example cannot be written to %s: %v", quoted(dir), err),
		Hint: "choose another folder"}
}

// writeExample copies an example to a folder that exists, and the library into
// src beside it.
func writeExample(library fs.FS, name, dir string) error {
	files, err := fs.Sub(library, path.Join("examples", name))
	if err == nil {
		err = copyTree(files, dir)
	}
	if err != nil {
		return err
	}
	src, err := fs.Sub(library, "src")
	if err == nil {
		err = copyTree(src, filepath.Join(dir, "src"))
	}
	if err != nil {
		return err
	}
	// Where bb and clojure look for the library, if the example has not said so.
	for _, config := range []string{"bb.edn", "deps.edn"} {
		f, err := os.OpenFile(filepath.Join(dir, config), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			_, err = f.WriteString("{:paths [\"src\"]}\n")
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyTree(files fs.FS, dir string) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && name == "." {
			return nil // there is no such part
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
}
