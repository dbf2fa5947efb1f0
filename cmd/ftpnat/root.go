package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// app is one run of the program.
type app struct {
	*system
	flags

	start    time.Time // of the dialogue
	root     *cobra.Command
	command  *cobra.Command // that was asked for; nil if it cannot be told
	sessions []*session
	streamed bool   // standard input was being sent
	up       bool   // files were being sent
	again    string // what goes on with a tree, if the same command would begin another copy
	watch    watcher
	logLock  turn // orders what is written to standard error
}

// run is the program. It returns its exit code.
func run(ctx context.Context, sys *system, args []string) int {
	a := &app{system: sys, start: time.Now()}
	a.root = a.newRoot()
	a.root.SetArgs(args)
	if len(args) > 1 && args[0] == "help" {
		if c, _, err := a.root.Find(args[1:]); err != nil || c == a.root {
			return a.report(ctx, usagef("there is no help for %q", strings.Join(args[1:], " ")))
		}
	}
	a.root.SetIn(sys.in)
	a.root.SetOut(sys.out)
	a.root.SetErr(sys.err)
	c, err := a.root.ExecuteContextC(ctx)
	if err != nil && a.command == nil {
		// What cobra has to say is about the command line.
		err = &usageError{suggested(err.Error())}
		if c != a.root {
			a.command = c
		}
	}
	a.close()
	return a.report(ctx, err)
}

// suggested brings cobra's suggestion for a command that does not exist into
// the line.
func suggested(text string) string {
	text, names, found := strings.Cut(text, "\n\nDid you mean this?")
	if found {
		text += ": is it " + strings.Join(strings.Fields(names), " or ") + " that was meant?"
	}
	return text
}

const about = `ftpnat is an FTP client that gets through NATs, firewalls and TLS by itself.

A server is named by a URL (ftp://, ftpes:// for AUTH TLS, ftps:// for TLS from
the first byte) or by host/path. The path begins at the login directory; one
that begins with two slashes (host//etc) begins at the server's root.

Passwords are not needed in the URL: they are taken from --password-file,
FTPNAT_PASSWORD or ~/.netrc, or asked for.`

func (a *app) newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "ftpnat",
		Short:         "An FTP client that gets through",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetVersionTemplate("ftpnat {{.Version}}\n")
	root.Flags().SortFlags = false
	a.flags.add(root.PersistentFlags())
	root.AddCommand(a.lsCommand(), a.catCommand(), a.getCommand(), a.putCommand(), a.mirrorCommand(),
		a.rmCommand(), a.mkdirCommand(), a.mvCommand(), a.statCommand(), a.findCommand(),
		a.probeCommand(), a.versionCommand(), exitCodesTopic())
	cobra.EnableCommandSorting = false
	fitHelp(root)
	return root
}

// fitHelp breaks the lines of all help.
func fitHelp(root *cobra.Command) {
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "FlagUsages", fmt.Sprintf("FlagUsagesWrapped %d", pageWidth)))
	for _, c := range root.Commands() {
		if c.Runnable() {
			c.Long = reflow(c.Long)
			c.InheritedFlags().SortFlags = false
		}
	}
}

// verb is what a command does with its arguments.
type verb func(ctx context.Context, args []string) error

// run returns do as cobra calls it. It sees to --max-time.
func (a *app) run(do verb) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		a.command = c
		ctx := c.Context()
		if a.maxTime > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, a.maxTime)
			defer cancel()
		}
		return do(ctx, args)
	}
}

// arguments checks how many arguments there are; most is -1 for any number.
func arguments(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s", c.Name(), what)
		case most >= 0 && len(args) > most:
			return usagef("%s takes %s, and there are %d arguments", c.Name(), what, len(args))
		}
		return nil
	}
}

// each does something with every argument. One that fails is no reason to leave
// out the others, unless the connection is what failed.
func (a *app) each(ctx context.Context, args []string, do func(arg string) error) error {
	var first error
	for _, arg := range args {
		err := do(arg)
		switch {
		case err == nil:
		case len(args) == 1 || ctx.Err() != nil || networkFault(err) || localCode(err) != codeOK:
			return err
		default:
			a.explain(err, codeOf(err))
			if first == nil {
				first = &saidError{err}
			}
		}
	}
	return first
}

// warn writes a line for a person, unless --quiet was given.
func (a *app) warn(format string, args ...any) {
	if !a.quiet {
		a.say(format, args...)
	}
}

// say writes a line to standard error.
func (a *app) say(format string, args ...any) {
	a.logLock.do(func() { fmt.Fprintf(a.err, "ftpnat: "+format+"\n", args...) })
}

// typed returns a command line as a shell takes it.
func typed(words ...string) string {
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t'\"\\$&|;<>()*?[]#~`!") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return "ftpnat " + strings.Join(words, " ")
}
