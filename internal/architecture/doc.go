// Package architecture holds docs/architecture.md against the tree: which packages there are and what each owns, who
// imports whom, and the rules that every file keeps. It has tests alone.
package architecture
