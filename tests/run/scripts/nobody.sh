#!/nowhere/at/all -x
