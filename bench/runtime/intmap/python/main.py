import sys
def main(n):
    m={};x=42
    for i in range(n):
        x=x*16807%2147483647
        k=x%(n//2)
        m[k]=m.get(k,0)+i%7
    found=0
    for i in range(n):
        if i in m: found+=1
    s=0
    for k,v in m.items(): s+=k%1000*v
    print(len(m),found,s)
main(int(sys.argv[1]) if len(sys.argv)>1 else 2000000)
