// Package logerrors owns how many errors containers log: how what is appended to their logs is read, which lines are an
// error's, and which of them differ in numbers and the like alone. What is read is dropped; nothing older is read.
package logerrors
