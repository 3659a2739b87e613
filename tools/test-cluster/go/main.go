// One program that is etcd or kube-apiserver, as its first argument says: they share most of what they are built from.
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func init() {
	// A test that is killed must not leave servers behind: they end with whoever started them.
	runtime.LockOSThread()
	_, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
	if err != 0 {
		fmt.Fprintln(os.Stderr, "cannot tie this process to its parent:", err)
	}
}

func main() {
	name := ""
	if len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = append([]string{name}, os.Args[2:]...)
	}
	switch name {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	default:
		fmt.Fprintln(os.Stderr, "usage: test-cluster etcd|kube-apiserver FLAGS")
		os.Exit(2)
	}
}
