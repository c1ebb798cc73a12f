package db

// Role says who a message is from. The value is what the column holds.
type Role string

const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool"
)

// roles are all roles, in the order of the counters of the threads table.
var roles = [...]Role{RoleSystem, RoleUser, RoleAssistant, RoleTool}

func (r Role) valid() bool {
	for _, known := range roles {
		if r == known {
			return true
		}
	}
	return false
}

// RoleSet is a set of roles.
type RoleSet uint8

// AllRoles holds every role.
const AllRoles RoleSet = 1<<len(roles) - 1

// NewRoleSet returns the set of the given roles.
func NewRoleSet(given []Role) (set RoleSet) {
	for i, r := range roles {
		for _, g := range given {
			if g == r {
				set |= 1 << i
			}
		}
	}
	return set
}

// roles returns the roles of the set, none for [AllRoles].
func (set RoleSet) roles() (list []Role) {
	if set == AllRoles {
		return nil
	}
	for i, r := range roles {
		if set&(1<<i) != 0 {
			list = append(list, r)
		}
	}
	return list
}
