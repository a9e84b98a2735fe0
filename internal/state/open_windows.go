package state

// nonBlocking is nothing here: there are no pipes among files.
const nonBlocking = 0
