package supervisor

import (
	"errors"
	"testing"

	"github.com/holdfast-iot/holdfast/internal/accounts"
	"github.com/holdfast-iot/holdfast/lwm2m"
	"github.com/holdfast-iot/holdfast/messages"
)

// Which accounts win, what is said about the others, and whether that is looked
// at again.
func TestJudge(t *testing.T) {
	boot, configured, delivered := bootstrapAccount(t), serverAccount(t, server(1), 1), serverAccount(t, server(7), 1)
	tree := func(all ...messages.Account) *lwm2m.Tree { return accounts.ToTree(all) }
	record := accounts.Encode(tree(boot, delivered))
	missing := errors.New("missing")
	tests := []struct {
		name     string
		in       messages.AccountsLoaded
		factory  *lwm2m.Tree
		inUse    *lwm2m.Tree
		origin   origin
		uses     messages.Peer // the last account by number
		troubles []messages.Class
		again    bool
	}{
		{"stored over configured", messages.AccountsLoaded{Stored: record}, tree(boot, configured), nil, fromStore, server(7), nil, false},
		{"nothing stored", messages.AccountsLoaded{}, tree(boot, configured), nil, asConfigured, server(1), nil, false},
		{"unreadable, nothing in use", messages.AccountsLoaded{StoredErr: errUnread}, tree(boot, configured), nil,
			fromFactory, server(1), []messages.Class{messages.ClassStoreRead}, true},
		{"unreadable, others in use", messages.AccountsLoaded{StoredErr: errUnread}, tree(boot, configured), tree(boot, delivered),
			fromUse, server(7), []messages.Class{messages.ClassStoreRead}, true},
		{"unreadable, a bootstrap account", messages.AccountsLoaded{StoredErr: errUnread}, tree(boot), nil,
			fromFactoryBootstrap, messages.BootstrapPeer(), []messages.Class{messages.ClassStoreRead}, true},
		{"the generation before", messages.AccountsLoaded{Stored: record, FellBack: true, Cause: errUnread}, tree(boot), nil,
			fromStore, server(7), []messages.Class{messages.ClassStoreRead}, false},
		{"the generation before, the newest being unreadable", messages.AccountsLoaded{
			Stored: record, FellBack: true, Cause: errUnread, Unread: true,
		}, tree(boot), nil, fromBefore, server(7), []messages.Class{messages.ClassStoreRead}, true},
		{"not credentials", messages.AccountsLoaded{Stored: []byte("garbage")}, tree(boot, configured), nil,
			fromFactory, server(1), []messages.Class{messages.ClassStoreRead}, true},
		{"stored beside a missing file", messages.AccountsLoaded{
			Stored: record, FactoryErr: missing, FactoryClass: messages.ClassBadCredentials,
		}, tree(), nil, fromStore, server(7), []messages.Class{messages.ClassBadCredentials}, true},
		{"both at fault", messages.AccountsLoaded{
			StoredErr: errUnread, FactoryErr: missing, FactoryClass: messages.ClassBadCredentials, Factory: tree(boot),
		}, tree(), nil, fromFactoryBootstrap, messages.BootstrapPeer(),
			[]messages.Class{messages.ClassStoreRead, messages.ClassBadCredentials}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := judge(tt.in, tt.factory, tt.inUse)
			used, _ := accounts.FromTree(found.tree)
			if found.origin != tt.origin || len(used) == 0 || used[len(used)-1].Peer != tt.uses {
				t.Errorf("%s: %v", found.origin, used)
			}
			if len(found.troubles) != len(tt.troubles) || found.again() != tt.again {
				t.Fatalf("%+v", found.troubles)
			}
			for i, class := range tt.troubles {
				if found.troubles[i].class != class {
					t.Errorf("%+v", found.troubles[i])
				}
			}
		})
	}
}

// Only the answer to the newest question counts, also when it comes late.
func TestLoaderTakesTheNewestAnswer(t *testing.T) {
	var l loader
	first := l.ask()
	l.silent()
	second := l.ask()
	if l.answered(first) || !l.asked {
		t.Error("an older answer counts")
	}
	l.silent()
	if l.failures != 2 || !l.answered(second) || l.asked {
		t.Errorf("%+v", l)
	}
}
