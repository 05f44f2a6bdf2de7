package configfile

import (
	"time"

	"github.com/holdfast-iot/holdfast"
)

// The sections of updates.
const (
	sectionFirmware = "firmware"
	sectionDownload = "firmware.download"
)

// sections are those that count as soon as they are there, even if they are empty.
var sections = []string{sectionBootstrap, sectionServer, sectionFirmware, sectionDownload}

// present makes what a section stands for.
func (f *File) present(section string) {
	switch section {
	case sectionFirmware:
		f.firmware()
	case sectionDownload:
		f.download()
	default:
		f.account(section)
	}
}

// firmware returns the section of updates and makes it if need be.
func (f *File) firmware() *holdfast.Firmware {
	if f.Config.Firmware == nil {
		f.Config.Firmware = &holdfast.Firmware{}
	}
	return f.Config.Firmware
}

// download returns the credentials for servers of images and makes them if need be.
func (f *File) download() *holdfast.FirmwareDownload {
	w := f.firmware()
	if w.Download == nil {
		w.Download = &holdfast.FirmwareDownload{}
	}
	return w.Download
}

func firmwareKeys() []key {
	return append([]key{
		chosen("firmware.dir", func(f *File) *string { return &f.firmware().Dir },
			"is empty: name a directory, or leave it out for "+holdfast.DefaultFirmwareDir).at(pathFrom),
		textsKey("firmware.install", func(f *File) *[]string { return &f.firmware().Install }, commandFrom),
		chosen("firmware.authorise", func(f *File) *holdfast.Authorisation { return &f.firmware().Authorise }, "is neither grant nor ask"),
		duration("firmware.defer", func(f *File) *time.Duration { return &f.firmware().Defer }),
		textsKey("firmware.allow_hosts", func(f *File) *[]string { return &f.firmware().AllowHosts }, asTheyAre),
		text("firmware.trust", func(f *File) *string { return &f.firmware().Trust }).at(pathFrom),
		text("firmware.vendor", func(f *File) *string { return &f.firmware().Vendor }),
		text("firmware.class", func(f *File) *string { return &f.firmware().Class }),
		text("firmware.version", func(f *File) *string { return &f.firmware().Version }),
		size("firmware.max_size", func(f *File) *int64 { return &f.firmware().MaxSize }),
		duration("firmware.give_up", func(f *File) *time.Duration { return &f.firmware().GiveUp }),
	}, downloadKeys()...)
}

func downloadKeys() []key {
	field := func(name string, of func(*holdfast.FirmwareDownload) *string) key {
		return text(sectionDownload+"."+name, func(f *File) *string { return of(f.download()) })
	}
	file := func(name string, of func(*holdfast.FirmwareDownload) *string) key {
		return field(name, of).at(pathFrom)
	}
	return []key{
		text(sectionDownload+".security", func(f *File) *holdfast.SecurityMode { return &f.download().Security }),
		field("psk_identity", func(d *holdfast.FirmwareDownload) *string { return &d.PSKIdentity }),
		pskKey(sectionDownload, func(f *File) *holdfast.Secret { return &f.download().PSKKey }),
		file("psk_key_file", func(d *holdfast.FirmwareDownload) *string { return &d.PSKKeyFile }),
		file("certificate", func(d *holdfast.FirmwareDownload) *string { return &d.Certificate }),
		file("private_key", func(d *holdfast.FirmwareDownload) *string { return &d.PrivateKey }),
		file("trust", func(d *holdfast.FirmwareDownload) *string { return &d.Trust }),
		field("server_name", func(d *holdfast.FirmwareDownload) *string { return &d.ServerName }),
	}
}

// asTheyAre is for texts that are no paths.
func asTheyAre(string, []string) {}
