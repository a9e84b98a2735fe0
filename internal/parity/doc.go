// Package parity owns the test that holds our loading of Compose files against docker compose's own: the shapes under
// testdata are read by both, each in a process of its own, and must give the same project or be refused by both.
package parity
