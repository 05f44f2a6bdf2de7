//go:build !linux

package systemtest

// memoryDir knows no file system in memory.
func memoryDir() string { return "" }
