package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// assetsEnv is the convention of envtest: a directory with ready-made binaries.
const assetsEnv = "KUBEBUILDER_ASSETS"

// assets are the binaries of one control plane.
type assets struct {
	dir  string
	self string // where devenv is

	etcd              string
	apiserver         string
	controllerManager string // empty when there is none: envtest's own bundle has none
}

func findAssets(dir string) (assets, error) {
	executable, err := os.Executable()
	if err != nil {
		return assets{}, err
	}
	bin := assets{dir: dir, self: filepath.Dir(executable)}
	if bin.dir == "" {
		bin.dir = os.Getenv(assetsEnv)
	}
	if bin.dir == "" {
		bin.dir = bin.self
	}
	if bin.dir, err = filepath.Abs(bin.dir); err != nil {
		return assets{}, err
	}
	// `go install go.etcd.io/etcd/server/v3` names its binary "server".
	if bin.etcd = bin.first("etcd", "server"); bin.etcd == "" {
		return assets{}, bin.missing("etcd")
	}
	if bin.apiserver = bin.first("kube-apiserver"); bin.apiserver == "" {
		return assets{}, bin.missing("kube-apiserver")
	}
	bin.controllerManager = bin.first("kube-controller-manager")
	return bin, nil
}

func (a assets) first(names ...string) string {
	for _, name := range names {
		path := filepath.Join(a.dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

func (a assets) missing(name string) error {
	return fmt.Errorf("no %s in %s: build the control plane first, or point --assets or %s at its binaries",
		name, a.dir, assetsEnv)
}

// searchPath puts kubectl and devenv itself in front.
func (a assets) searchPath(path string) string {
	dirs := []string{a.dir}
	if a.self != a.dir {
		dirs = append(dirs, a.self)
	}
	if path != "" {
		dirs = append(dirs, path)
	}
	return strings.Join(dirs, string(os.PathListSeparator))
}
