package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	tempPrefix = "joinery-devenv-"
	lockName   = "devenv.lock"
	// A directory younger than this may belong to a launcher that has not locked it yet.
	staleAfter = time.Minute
)

// workdir holds everything one control plane writes. The lock tells a directory
// in use from one that a killed launcher left behind.
type workdir struct {
	path string
	lock *os.File
	temp bool
}

func openWorkdir(path string) (*workdir, error) {
	w := &workdir{path: path}
	if path == "" {
		removeStale()
		temp, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return nil, err
		}
		w.path, w.temp = temp, true
	} else {
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if err := os.MkdirAll(absolute, 0o700); err != nil {
			return nil, err
		}
		w.path = absolute
	}
	lock, err := lockDir(w.path, os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("%s is in use by another devenv run: %w", w.path, err)
	}
	w.lock = lock
	return w, nil
}

func (w *workdir) close() {
	if w.temp {
		if err := os.RemoveAll(w.path); err != nil {
			fmt.Fprintf(os.Stderr, "devenv: remove %s: %v\n", w.path, err)
		}
	}
	w.lock.Close()
}

func lockDir(dir string, create int) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|create, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// removeStale removes what launchers that were killed could not remove themselves.
func removeStale() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < staleAfter {
			continue
		}
		if lock, err := lockDir(dir, 0); err == nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}
