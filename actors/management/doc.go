// Package management serves management servers on the object model (LwM2M
// Core section 6.3): one actor, shared by the links of all servers. A request
// comes with the server's account, and the answer goes to the link that
// brought it.
//
// The model has the Security object (0), which no management server may touch or see;
// Server (1), as bootstrap, the configuration and the servers left it; Device (3), made
// from the configuration; Certificate Enrolment (35011) where a certificate can be renewed;
// and the objects of the application (lwm2m/object), one of which may take the place of
// Device.
//
// What a server observes belongs to its registration: an observer, its attributes and its
// observations, go on when a session resumes, on another link or after a start, and end
// with a Register. internal/reporting has the rules, and a set with what is due first at
// the front; at the end of each step, what is due is looked at. What is in memory is looked
// at once, the rest is read in rounds. What is told goes through the outbox, which gives
// coapresend a few notifications at a time, and stores them while the server is away.
//
// What a firmware update reports, a server has to have value by value. Update shows one at a
// time, and management tells it which server observes it, and what has arrived: by an
// acknowledged notification, or by an answer. A value that is owed leaves confirmable, and
// neither gt, lt nor st keeps it back; pmin delays it. Of what is reported nothing is stored
// for a server that is away: when it is back it is told what it is owed, and not what it has,
// and a day that has passed is no reason to tell that again. An image that a server pushes is
// judged part by part, and handed on.
//
// What a server may do with an object instance is said by internal/access; without an
// Access Control object it may do everything but with another server's Server instance.
// What it may not read is left out of objects and of the root. Where a server creates an
// instance and the Access Control object is in use, it becomes the owner first.
//
// The actor holds the model that it serves and the versions of the sessions that
// are up: objects 0, 1 and 2 belong to the supervisor, which sends them as
// messages.ModelChanged, also after the actor was restarted. A Write that is well
// formed goes there too, and is answered with what has become of it. A request is looked up
// in the model directly, so that its cost does not grow with what else is there.
//
// What an object of the application has in memory is asked for on the actor's own
// goroutine. Everything else is a [Call], for which the shell takes a goroutine of its own;
// a job is the request that waits for one or several. A change of several instances is
// prepared by all of their objects before the first carries it out. Other changes of the
// instances wait for their turn meanwhile, and those that read see what was there before. A
// handler that has not returned at the deadline is answered for with 5.00, and counts
// against its object until it returns; what has been carried out, and what it carries out
// later, is taken back where the objects allow that.
//
// The package is internal to the runtime: nothing in it may be touched from outside
// except through messages, but for Announced and RegistryOf.
package management
