package main

import (
	"os"
	"syscall"
	"unsafe"
)

// fault ends the program by SIGSEGV: Go's own handler of it, which makes a panic of it, is put away before.
func fault() {
	var byDefault [4]uint64 // struct kernel_sigaction
	const setBytes = 8
	_, _, _ = syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGSEGV),
		uintptr(unsafe.Pointer(&byDefault)), 0, setBytes, 0, 0)
	var nowhere *int
	*nowhere = 1
}

// become makes another program of the process.
func become(args []string) {
	_ = syscall.Exec(os.Args[0], append([]string{os.Args[0]}, args...), os.Environ())
}
