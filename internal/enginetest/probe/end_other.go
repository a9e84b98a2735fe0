//go:build !linux

package main

func fault() {}

func become([]string) {}
