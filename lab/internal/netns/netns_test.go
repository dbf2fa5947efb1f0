//go:build linux

package netns

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ftpnat/ftpnat/lab/internal/labtest"
)

func TestOwnerOf(t *testing.T) {
	tests := []struct {
		name string
		pid  int
		ok   bool
	}{
		{"ftpnat-lab-4711-1-client", 4711, true},
		{"ftpnat-lab-4711", 0, false},
		{"ftpnat-lab-x-1-client", 0, false},
		{"ftpnat-lab--1-1-client", 0, false},
		{"somebody-elses", 0, false},
	}
	for _, tt := range tests {
		if pid, ok := ownerOf(tt.name); ok != tt.ok || ok && pid != tt.pid {
			t.Errorf("ownerOf(%q) = %d, %v; want %d, %v", tt.name, pid, ok, tt.pid, tt.ok)
		}
	}
}

func TestInternetRoutes(t *testing.T) {
	labtest.Need(t, Check())
	ctx := t.Context()
	in, err := Build(ctx, Site{}, Site{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(context.WithoutCancel(ctx)) })
	out, err := in.Client.Run(ctx, "", "ip", "route", "get", in.ServerPublic().String())
	if err != nil {
		t.Fatal(err)
	}
	if want := "via 203.0.113.65 dev eth0 src " + in.ClientAddr.String(); !strings.Contains(out, want) {
		t.Errorf("route to the server: %q, want %q in it", out, want)
	}
	if err := in.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, n := range in.namespaces() {
		if _, err := os.Stat(folder + n.Name); err == nil {
			t.Errorf("%s is left after Close", n.Name)
		}
	}
}

// TestBuildFailureLeavesNothing gives a router rules that nft refuses.
func TestBuildFailureLeavesNothing(t *testing.T) {
	labtest.Need(t, Check())
	in, err := Build(t.Context(), Site{Rules: "no such rule"}, Site{})
	if err == nil {
		in.Close(t.Context())
		t.Fatal("Build succeeded")
	}
	if left, err := Close(t.Context()); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestSweep leaves a namespace of a process that has ended, with a process
// still inside it.
func TestSweep(t *testing.T) {
	labtest.Need(t, Check())
	ctx := t.Context()
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	orphan := &Namespace{Name: prefix + strconv.Itoa(dead.Process.Pid) + "-1-client"}
	mine := &Namespace{Name: prefix + strconv.Itoa(os.Getpid()) + "-0-client"}
	for _, n := range []*Namespace{orphan, mine} {
		if err := n.add(ctx); err != nil {
			t.Fatal(err)
		}
	}
	inside := orphan.Command(ctx, "sh", "-c", "echo inside; exec cat")
	stdin, err := inside.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := inside.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := inside.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("nothing runs inside: %q, %v", line, err)
	}
	removed, err := Sweep(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(removed, orphan.Name) || slices.Contains(removed, mine.Name) {
		t.Errorf("Sweep removed %v, want %s and not %s", removed, orphan.Name, mine.Name)
	}
	if err := inside.Wait(); err == nil {
		t.Error("the process inside was not ended")
	}
	if err := mine.remove(ctx); err != nil {
		t.Error(err)
	}
}
