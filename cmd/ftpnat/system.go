package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/term"
)

// system is what the program has around it. A test has one of its own.
type system struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	home     string // the user's home directory; empty if there is none
	cache    string // the user's cache directory; empty if there is none
	outTerm  bool   // out is a terminal
	errTerm  bool   // err is a terminal

	// ask asks the person at the terminal for a password.
	ask func(ctx context.Context, label string) (string, error)
}

func newSystem() *system {
	s := &system{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, ask: askPassword}
	s.home, _ = os.UserHomeDir()
	s.cache, _ = os.UserCacheDir()
	s.outTerm = term.IsTerminal(int(os.Stdout.Fd()))
	s.errTerm = term.IsTerminal(int(os.Stderr.Fd()))
	return s
}

// errNoTerminal says that there is nobody to ask.
var errNoTerminal = errors.New("there is no terminal to ask at")

// askPassword reads a password from the terminal, which is not the standard
// input where that is a pipe.
func askPassword(ctx context.Context, label string) (string, error) {
	name := "/dev/tty"
	if runtime.GOOS == "windows" {
		name = "CONIN$"
	}
	tty, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return "", errNoTerminal
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", errNoTerminal
	}
	fmt.Fprint(os.Stderr, label)
	defer fmt.Fprintln(os.Stderr)
	type answer struct {
		text []byte
		err  error
	}
	// A read from a terminal cannot be interrupted: after Ctrl-C this goroutine
	// is left behind, and ends with the program.
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return string(a.text), a.err
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		return "", ctx.Err()
	}
}
