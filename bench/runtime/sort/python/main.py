import sys
from functools import cmp_to_key
def compare(a,b): return a%1000-b%1000 if a%1000!=b%1000 else a-b
def main(n):
    numbers=[];words=[];x=42
    for i in range(n):
        x=x*16807%2147483647
        numbers.append(x);words.append("k"+str(x))
    other=numbers[:]
    numbers.sort();words.sort();other.sort(key=cmp_to_key(compare))
    s=0
    for i in range(n): s+=(numbers[i]%1000+other[i]%1000)*(i%10)
    print(s,words[0],words[n//2],words[n-1])
main(int(sys.argv[1]) if len(sys.argv)>1 else 300000)
