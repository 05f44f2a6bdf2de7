package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/holdfast-iot/holdfast"
	"github.com/holdfast-iot/holdfast/lwm2m/firmware"
)

// slot installs an image by putting it into a file. On a gateway it would be a partition, or
// a call of the boot loader's tools, and Install would say that it takes a restart.
type slot struct{ path string }

var _ firmware.Installer = slot{}

// updates has images fetched into a folder, and installed into the file "slot" beside them.
func updates(folder string) *holdfast.Firmware {
	return &holdfast.Firmware{Dir: filepath.Join(folder, "images"), Installer: slot{path: filepath.Join(folder, "slot")}, Version: "1.0.0"}
}

// Verify implements firmware.Installer. Here a signature of the image would be checked.
func (slot) Verify(_ context.Context, image firmware.Image) error {
	if image.Size == 0 {
		return errors.New("the image is empty")
	}
	return nil
}

// Install implements firmware.Installer. It can be called again: the slot has the former
// image or the whole new one.
func (s slot) Install(_ context.Context, image firmware.Image) (firmware.Installed, error) {
	if err := copyFile(s.path+".new", image.Path); err != nil {
		return 0, err
	}
	fmt.Println("installed", image.Size, "bytes")
	return firmware.InstallDone, os.Rename(s.path+".new", s.path)
}

// Reboot implements firmware.Installer. Install never needs it.
func (slot) Reboot(context.Context) error { return nil }

// Confirm implements firmware.Installer.
func (slot) Confirm(context.Context, firmware.Image) error { return nil }

// RollBack implements firmware.Installer.
func (slot) RollBack(context.Context, firmware.Image) error { return nil }

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // it was only read
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
