package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestExitCodeIsThatOfAShell(t *testing.T) {
	for _, row := range []struct {
		script, why string
		want        int
	}{
		{"exit 0", "success", 0},
		{"exit 7", "the command's own code", 7},
		{"kill -TERM $$", "128 + SIGTERM", 143},
	} {
		if got := exitCode(exec.Command("sh", "-c", row.script).Run()); got != row.want {
			t.Errorf("%s: exit code %d, want %d (%s)", row.script, got, row.want, row.why)
		}
	}
}

func TestServingCertificateIsTrustedFor127001(t *testing.T) {
	creds, err := makeCredentials(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(creds.certFile, creds.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(creds.ca)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "127.0.0.1", Roots: roots}); err != nil {
		t.Error(err)
	}
}

func TestWorkdirIsForOneLauncher(t *testing.T) {
	dir := t.TempDir()
	first, err := openWorkdir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openWorkdir(dir); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second launcher got %v, want an error that says the directory is in use", err)
	}
	first.close()
	again, err := openWorkdir(dir)
	if err != nil {
		t.Fatalf("after the first is gone: %v", err)
	}
	again.close()
}

func TestStaleDirectoriesGoAndUsedOnesStay(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	used, err := openWorkdir("")
	if err != nil {
		t.Fatal(err)
	}
	defer used.close()
	stale := filepath.Join(os.TempDir(), tempPrefix+"killed")
	if err := os.Mkdir(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(stale, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * staleAfter)
	for _, dir := range []string{stale, used.path} {
		if err := os.Chtimes(dir, past, past); err != nil {
			t.Fatal(err)
		}
	}
	removeStale()
	if _, err := os.Stat(stale); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", stale, err)
	}
	if _, err := os.Stat(used.path); err != nil {
		t.Errorf("a directory in use was removed: %v", err)
	}
}

func TestEtcdMayBeCalledServer(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"server", "kube-apiserver"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := findAssets(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "server"); bin.etcd != want {
		t.Errorf("etcd is %q, want %q", bin.etcd, want)
	}
	if bin.controllerManager != "" {
		t.Errorf("found a controller-manager where there is none: %s", bin.controllerManager)
	}
}
