//go:build !linux

package main

import "os"

func (b *bench) engineCPU() cpuTimes { return nil }

func peakMemory(*os.ProcessState) int64 { return 0 }
