//go:build !linux

package main

import (
	"errors"
	"os"
)

func listener(string) (int, error) { return 0, errors.New("only Linux tells") }

func (b *bench) engineCPU() cpuTimes { return nil }

func peakMemory(*os.ProcessState) int64 { return 0 }
