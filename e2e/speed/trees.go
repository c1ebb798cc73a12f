package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tree is the program as one commit or the working tree has it.
type tree struct {
	name     string
	program  string
	dir      string // its own, for files of databases
	database string // URL of the threads it serves
	imports  string // URL of a database for imports alone, so that the server does not see them
	*server
}

// buildTrees builds the base and the present tree, in this order.
func buildTrees(ctx context.Context, dir, base string, out io.Writer) (trees [2]*tree, err error) {
	if base == "" {
		if base, err = defaultBase(ctx); err != nil {
			return trees, err
		}
	}
	commit, err := output(ctx, "", nil, "git", "rev-parse", "--verify", "--quiet", base+"^{commit}")
	if err != nil {
		return trees, fmt.Errorf("the base %s is no commit here", base)
	}
	present, err := workingTree(ctx, dir)
	if err != nil {
		return trees, err
	}
	fmt.Fprintf(out, "base: %s (%.12s)\npresent: the working tree\n", base, commit)
	var programs [2][]byte
	for i, t := range []struct{ name, object string }{{"base", commit}, {"present", present}} {
		trees[i] = &tree{name: t.name, dir: filepath.Join(dir, t.name)}
		if err := trees[i].build(ctx, t.object); err != nil {
			return trees, fmt.Errorf("the %s tree cannot be built: %w", t.name, err)
		}
		if programs[i], err = os.ReadFile(trees[i].program); err != nil {
			return trees, err
		}
	}
	if bytes.Equal(programs[0], programs[1]) {
		fmt.Fprintln(out, "both trees build the same program: what follows is no more than the noise of this machine")
	}
	return trees, nil
}

// defaultBase is the last release, if there is one.
func defaultBase(ctx context.Context) (string, error) {
	if tag, err := output(ctx, "", nil, "git", "describe", "--tags", "--abbrev=0", "--match", "v*"); err == nil {
		return tag, nil
	}
	if _, err := output(ctx, "", nil, "git", "rev-parse", "--verify", "--quiet", "HEAD~1"); err != nil {
		return "", errors.New("there is neither a tag v* nor a commit before HEAD: name another (make speed " +
			"BASE=COMMIT)")
	}
	return "HEAD~1", nil
}

// workingTree is git's name for the files as they are, with what is neither committed nor ignored.
func workingTree(ctx context.Context, dir string) (object string, err error) {
	index := "GIT_INDEX_FILE=" + filepath.Join(dir, "index") // leaves the user's as it is
	for _, args := range [][]string{{"read-tree", "HEAD"}, {"add", "--all", ":/"}, {"write-tree"}} {
		if object, err = output(ctx, "", []string{index}, "git", args...); err != nil {
			return "", err
		}
	}
	return object, nil
}

// build makes the program of a commit or tree, such that the same files make the same bytes: neither the page, which is
// not in git, nor the commit nor the folder is in it.
func (t *tree) build(ctx context.Context, object string) error {
	source := filepath.Join(t.dir, "source")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return err
	}
	t.program = filepath.Join(t.dir, "threadstore")
	for _, c := range []struct {
		dir  string
		args []string
	}{
		{"", []string{"git", "archive", "--format=tar", "--output=" + source + ".tar", object}},
		{source, []string{"tar", "-xf", source + ".tar"}},
		{source, []string{"go", "build", "-trimpath", "-buildvcs=false", "-o", t.program, "."}},
	} {
		if _, err := output(ctx, c.dir, nil, c.args[0], c.args[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// output runs a command and returns what it wrote; an error has what it complained of.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, args[0], err, complaints.Bytes())
	}
	return strings.TrimSpace(string(text)), nil
}
