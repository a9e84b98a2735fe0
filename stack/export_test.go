package stack

// Differing is differing, for the packages that import this one.
var Differing = differing
